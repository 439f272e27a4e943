#!/usr/bin/env bash
# Rolls the engine out with Helm, and looks after what runs: scripts/deploy.sh --help says more.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
chart=$root/helm/tradeengine
# The checkout's engine where there is one.
PATH=$root/.venv/bin:$PATH

usage() {
    cat <<'TEXT'
usage: scripts/deploy.sh --env paper|testnet|production --action deploy|status|restart|stop|logs|rollback [options]

  deploy     install the release or upgrade it; undone by itself when pods do not get ready
  status     show revisions, pods and the rollout; exit code 1 when not every pod is ready
  restart    exchange all pods, one after another
  stop       let no pod run; deploy starts them again
  logs       print what all pods said last
  rollback   go back to the newest revision that is not the same

  --dry-run          check everything, show what the API server would make of it, and change nothing
  --apply-schema     deploy, restart: apply what the schema of the stores lacks, instead of refusing
  --help             show this

On production, whatever changes something asks for the word CONFIRM. deploy and restart refuse when `tradeengine doctor`
or `tradeengine schema status` fails with the very settings and secrets that the pods get, so run this where the stores,
NATS and the exchange can be reached.

environment:
  DEPLOY_NAMESPACE   namespace of the release (default: tradeengine-<env>)
  DEPLOY_RELEASE     its name (default: tradeengine)
  DEPLOY_VALUES      one more file of values, for what differs from values-<env>.yaml
  DEPLOY_IMAGE       image.digest as sha256:..., or image.tag (default: the chart's version)
  DEPLOY_TIMEOUT     how long a rollout may take, such as 15m (default)

exit codes: 0 done or cancelled, 1 failed or refused, 2 wrong usage, 78 a program is missing
TEXT
}

say() { echo "deploy: $*" >&2; }
refuse() { say "$*"; exit 1; }
wrong() { say "$*"; usage >&2; exit 2; }

# ---------------------------------------------------------------- words

read_words() {
    environment='' action='' dry_run='' apply_schema=''
    while [ $# -gt 0 ]; do
        case $1 in
            --env | --action) [ $# -ge 2 ] || wrong "$1 needs a word" ;;&
            --env) environment=$2; shift ;;
            --action) action=$2; shift ;;
            --dry-run) dry_run=yes ;;
            --apply-schema) apply_schema=yes ;;
            --help) usage; exit 0 ;;
            *) wrong "unknown word: $1" ;;
        esac
        shift
    done
    case $environment in
        paper | testnet | production) ;;
        '') wrong "--env is missing" ;;
        *) wrong "unknown environment: $environment" ;;
    esac
    case $action in
        deploy | status | restart | stop | logs | rollback) ;;
        '') wrong "--action is missing" ;;
        *) wrong "unknown action: $action" ;;
    esac
}

confirm() {
    [ "$environment" = production ] && [ -z "$dry_run" ] || return 0
    case $action in status | logs) return 0 ;; esac
    printf '%s on PRODUCTION, with real money. Type CONFIRM to go on: ' "$action" >&2
    local answer=''
    read -r answer || true
    if [ "$answer" != CONFIRM ]; then
        say "cancelled; nothing was changed"
        exit 0
    fi
}

need() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null || { say "no $name on the PATH: install it"; exit 78; }
    done
}

# ---------------------------------------------------------------- programs

in_namespace() { kubectl --namespace "$namespace" "$@"; }
of_release() { helm --namespace "$namespace" "$@"; }

# Options of helm that say what is deployed.
values_words() {
    words=(--values "$chart/values-$environment.yaml")
    [ -z "${DEPLOY_VALUES:-}" ] || words+=(--values "$DEPLOY_VALUES")
    case ${DEPLOY_IMAGE:-} in
        '') ;;
        sha256:*) words+=(--set-string "image.digest=$DEPLOY_IMAGE") ;;
        *) words+=(--set-string "image.tag=$DEPLOY_IMAGE") ;;
    esac
}

find_deployment() {
    local mine="app.kubernetes.io/instance=$release,app.kubernetes.io/component=engine"
    deployment=$(in_namespace get deployment --selector "$mine" --output name)
    [ -n "$deployment" ] ||
        refuse "no release $release in the namespace $namespace: deploy it, or set DEPLOY_RELEASE and DEPLOY_NAMESPACE"
    pods=(--selector "$mine")
}

# ---------------------------------------------------------------- checks

# Reads what the chart makes for one template, by a template of Go.
rendered() {
    of_release template "$release" "$chart" "${words[@]}" --show-only "templates/$1.yaml" |
        in_namespace create --dry-run=client --filename - --output "go-template=$2"
}

# The settings of the pods, in variables and in files of a folder that only this user can read.
fetch_settings() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    local secret key
    rendered configmap '{{range $name, $value := .data}}{{$name}}={{$value}}{{"\n"}}{{end}}' >"$folder/settings"
    rendered deployment '{{range (index .spec.template.spec.containers 0).env}}{{if .value}}{{.name}}={{.value}}{{"\n"}}{{end}}{{end}}' \
        >>"$folder/settings"
    rendered deployment '{{range .spec.template.spec.volumes}}{{with .secret}}{{$secret := .secretName}}{{range .items}}{{$secret}} {{.key}}{{"\n"}}{{end}}{{end}}{{end}}' \
        >"$folder/keys"
    mapfile -t settings <"$folder/settings"
    settings+=("PATH=$PATH" "HOME=$folder" "TRADEENGINE_DATA_DIR=$folder/data")
    while read -r secret key; do
        in_namespace get secret "$secret" --output "go-template={{index .data \"$key\" | base64decode}}" >"$folder/$key" ||
            refuse "the Secret $secret of the namespace $namespace gives no $key: add it, or take it out of secrets.keys"
        settings+=("${key}_FILE=$folder/$key")
    done <"$folder/keys"
}

engine() { env -i "${settings[@]}" tradeengine "$@" >&2; }

check() {
    need tradeengine
    fetch_settings
    local target targets=(mongodb)
    ! printf '%s\n' "${settings[@]}" | grep -qE '^MYSQL_(URI|URI_FILE|HOST)=' || targets+=(mysql)
    for target in "${targets[@]}"; do
        engine schema status --target "$target" && continue
        [ -n "$apply_schema" ] && [ -z "$dry_run" ] ||
            refuse "refused: the schema of $target is not complete (--apply-schema applies what it lacks)"
        engine schema apply --target "$target" || refuse "refused: the schema of $target could not be applied"
    done
    engine doctor || refuse "refused: tradeengine doctor found what keeps an engine from working, see above"
}

# ---------------------------------------------------------------- actions

deploy() {
    values_words
    check
    if [ -n "$dry_run" ]; then
        of_release upgrade --install "$release" "$chart" "${words[@]}" --dry-run=server >/dev/null
        of_release template "$release" "$chart" "${words[@]}" |
            in_namespace apply --server-side --force-conflicts --dry-run=server --validate=strict --filename -
        return
    fi
    each_scaled_object annotate --overwrite "$_PAUSED-"
    of_release upgrade --install "$release" "$chart" "${words[@]}" \
        --atomic --wait --wait-for-jobs --timeout "$timeout" >&2 ||
        refuse "the rollout failed, and was undone; what served before serves on"
    find_deployment
    in_namespace rollout status "$deployment" --timeout "$timeout"
}

status() {
    find_deployment
    of_release history "$release" --max 5
    in_namespace get "$deployment" --output wide
    in_namespace get pods "${pods[@]}" --output wide
    [ "$(in_namespace get "$deployment" --output 'jsonpath={.spec.replicas}')" != 0 ] || refuse "it is stopped"
    in_namespace rollout status "$deployment" --timeout 5s
}

restart() {
    values_words
    find_deployment
    [ "$(in_namespace get "$deployment" --output 'jsonpath={.spec.replicas}')" != 0 ] ||
        refuse "it is stopped: the action deploy starts it"
    check
    if [ -n "$dry_run" ]; then
        say "would exchange the pods of $deployment in the namespace $namespace"
        return
    fi
    in_namespace rollout restart "$deployment"
    in_namespace rollout status "$deployment" --timeout "$timeout"
}

stop() {
    find_deployment
    if [ -n "$dry_run" ]; then
        in_namespace scale "$deployment" --replicas 0 --dry-run=server
        return
    fi
    # An autoscaler leaves what has no pods alone, but KEDA's operator sets its least number again.
    each_scaled_object annotate --overwrite "$_PAUSED=0"
    in_namespace scale "$deployment" --replicas 0
    local running
    mapfile -t running < <(in_namespace get pods "${pods[@]}" --output name)
    [ ${#running[@]} -eq 0 ] || in_namespace wait --for delete "${running[@]}" --timeout "$timeout"
}

logs() {
    find_deployment
    in_namespace logs "${pods[@]}" --all-containers --prefix --tail 200
}

rollback() {
    find_deployment
    local revision
    revision=$(former_revision)
    [ -n "$revision" ] || refuse "no former revision of $release differs from the one that is deployed"
    say "back to revision $revision"
    of_release rollback "$release" "$revision" --wait --timeout "$timeout" ${dry_run:+--dry-run} >&2
    [ -n "$dry_run" ] || in_namespace rollout status "$deployment" --timeout "$timeout"
}

# ---------------------------------------------------------------- parts of actions

_PAUSED=autoscaling.keda.sh/paused-replicas

each_scaled_object() {
    local object objects
    kubectl api-resources --api-group keda.sh --output name | grep -q '^scaledobjects' || return 0
    mapfile -t objects < <(in_namespace get scaledobjects --selector "app.kubernetes.io/instance=$release" --output name)
    for object in "${objects[@]}"; do in_namespace "$1" "$object" "${@:2}" >&2; done
}

# The newest revision that served and is not what is deployed: helm alone would take one that had failed and was undone.
former_revision() {
    local revision revisions now
    now=$(of_release get manifest "$release")
    mapfile -t revisions < <(of_release history "$release" --max 256 |
        awk -F '\t' '$3 ~ /superseded/ { print $1 + 0 }' | sort -rn)
    for revision in "${revisions[@]}"; do
        if [ "$(of_release get manifest "$release" --revision "$revision")" != "$now" ]; then
            echo "$revision"
            return
        fi
    done
}

read_words "$@"
confirm
need kubectl helm
namespace=${DEPLOY_NAMESPACE:-tradeengine-$environment}
release=${DEPLOY_RELEASE:-tradeengine}
timeout=${DEPLOY_TIMEOUT:-15m}
"$action"
