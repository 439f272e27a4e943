{{/* What values.schema.json cannot say: values that must agree. Each text names what is wrong, and what to do. */}}

{{- define "tradeengine.validate" -}}
{{- $problems := concat
  (include "tradeengine.validate.names" . | fromYamlArray)
  (include "tradeengine.validate.mode" . | fromYamlArray)
  (include "tradeengine.validate.pods" . | fromYamlArray)
  (include "tradeengine.validate.parts" . | fromYamlArray)
  (include "tradeengine.validate.secret" . | fromYamlArray) }}
{{- if $problems }}
{{- fail (printf "\n- %s\n" (join "\n- " $problems)) }}
{{- end }}
{{- end }}

{{- define "tradeengine.validate.names" -}}
{{- $problems := list }}
{{- $keys := (include "tradeengine.keys" . | fromYaml).keys }}
{{- range $keys }}
{{- if index $.Values.config . }}
{{- $problems = append $problems (printf "%s stands in config and among secrets.keys: remove it from one of them" .) }}
{{- end }}
{{- end }}
{{- if not (or (has "MONGODB_URI" $keys) .Values.config.MONGODB_URI) }}
{{- $problems = append $problems "MONGODB_URI is given nowhere, and pods share their journal there: name it in secrets.keys, or in config if it holds no password" }}
{{- end }}
{{- if not (or (has "NATS_URL" $keys) .Values.config.NATS_URL .Values.trial.enabled) }}
{{- $problems = append $problems "NATS_URL is given nowhere, and signals come by NATS: set config.NATS_URL, or name it in secrets.keys" }}
{{- end }}
{{- toYaml $problems }}
{{- end }}

{{- define "tradeengine.validate.mode" -}}
{{- $problems := list }}
{{- $mode := include "tradeengine.mode" . }}
{{- $keys := (include "tradeengine.keys" . | fromYaml).keys }}
{{- if include "tradeengine.real" . }}
{{- range list "BINANCE_API_KEY" "BINANCE_API_SECRET" }}
{{- if not (has . $keys) }}
{{- $problems = append $problems (printf "TRADING_MODE=%s needs %s: name it in secrets.keys, and put it into the Secret" $mode .) }}
{{- end }}
{{- end }}
{{- range list "ALLOWED_SYMBOLS" "STOP_LOSS_PCT" }}
{{- if not (index $.Values.config .) }}
{{- $problems = append $problems (printf "TRADING_MODE=%s needs config.%s" $mode .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $mode "production" }}
{{- range list "MAX_POSITION_SIZE_USD" "MAX_TOTAL_EXPOSURE_USD" "MAX_DAILY_LOSS_USD" }}
{{- if not (index $.Values.config .) }}
{{- $problems = append $problems (printf "TRADING_MODE=production without config.%s would trade without that limit: set it" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $problems }}
{{- end }}

{{- define "tradeengine.validate.pods" -}}
{{- $problems := list }}
{{- $shards := include "tradeengine.shards" . | int }}
{{- $scaling := .Values.autoscaling }}
{{- if gt (int .Values.replicaCount) $shards }}
{{- $problems = append $problems (printf "replicaCount is %d, and config.SHARDS %d: more pods than shards are idle; lower the one" (int .Values.replicaCount) $shards) }}
{{- end }}
{{- if $scaling.enabled }}
{{- if gt (int $scaling.maxReplicas) $shards }}
{{- $problems = append $problems (printf "autoscaling.maxReplicas is %d, and config.SHARDS %d: more pods than shards are idle; lower the one" (int $scaling.maxReplicas) $shards) }}
{{- end }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
{{- $problems = append $problems "autoscaling.minReplicas is more than autoscaling.maxReplicas: lower the one or raise the other" }}
{{- end }}
{{- else if $scaling.keda.enabled }}
{{- $problems = append $problems "autoscaling.keda.enabled without autoscaling.enabled: set both, or neither" }}
{{- end }}
{{- toYaml $problems }}
{{- end }}

{{- define "tradeengine.validate.parts" -}}
{{- $problems := list }}
{{- $external := .Values.secrets.external }}
{{- if .Values.trial.enabled }}
{{- if include "tradeengine.real" . }}
{{- $problems = append $problems (printf "trial.enabled with TRADING_MODE=%s: the trial's servers keep no books worth an exchange; use servers of your own" (include "tradeengine.mode" .)) }}
{{- end }}
{{- if $external.enabled }}
{{- $problems = append $problems "trial.enabled makes up its own secrets: set secrets.external.enabled=false" }}
{{- end }}
{{- end }}
{{- if and $external.enabled (not (and $external.storeName $external.remoteKey)) }}
{{- $problems = append $problems "secrets.external.enabled needs secrets.external.storeName and secrets.external.remoteKey" }}
{{- end }}
{{- if and .Values.archive.mountInEngine (not .Values.archive.enabled) }}
{{- $problems = append $problems "archive.mountInEngine without archive.enabled: set both, or neither" }}
{{- end }}
{{- if and .Values.archive.mountInEngine (not .Values.archive.existingClaim) (not (has "ReadWriteMany" .Values.archive.accessModes)) }}
{{- $problems = append $problems "archive.mountInEngine: pods on several nodes need archive.accessModes=[ReadWriteMany], or a claim of yours that has it" }}
{{- end }}
{{- toYaml $problems }}
{{- end }}

{{/* Only where a cluster answers: what is rendered without one cannot know its Secrets. */}}
{{- define "tradeengine.validate.secret" -}}
{{- $problems := list }}
{{- $own := not (or .Values.trial.enabled .Values.secrets.external.enabled) }}
{{- if and $own .Values.secrets.keys .Values.secrets.verify (lookup "v1" "ServiceAccount" .Release.Namespace "default") }}
{{- $secret := lookup "v1" "Secret" .Release.Namespace .Values.secrets.existingSecret }}
{{- if not $secret }}
{{- $problems = append $problems (printf "the Secret %s is not in the namespace %s: make it, name another in secrets.existingSecret, or set secrets.verify=false" .Values.secrets.existingSecret .Release.Namespace) }}
{{- else }}
{{- range .Values.secrets.keys }}
{{- if not (hasKey ($secret.data | default dict) .) }}
{{- $problems = append $problems (printf "the Secret %s lacks %s: add it, or remove it from secrets.keys" $.Values.secrets.existingSecret .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $problems }}
{{- end }}
