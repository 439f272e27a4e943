{{/* How the stores' schema is applied. The same commands run as Jobs, or in a trial as containers before the engine. */}}

{{/* Where a store is, as variables and keys of the Secret: nothing else is given, so no exchange key is needed. */}}
{{- define "tradeengine.schemaParts" -}}
{{- $prefix := ternary "MYSQL_" "MONGODB_" (eq .target "mysql") }}
{{- $config := dict }}
{{- range $name, $value := include "tradeengine.config" .root | fromYaml }}
{{- if or (hasPrefix $prefix $name) (has $name (list "LOG_LEVEL" "LOG_FORMAT")) }}
{{- $_ := set $config $name $value }}
{{- end }}
{{- end }}
{{- $keys := list }}
{{- range (include "tradeengine.keys" .root | fromYaml).keys }}
{{- if hasPrefix $prefix . }}
{{- $keys = append $keys . }}
{{- end }}
{{- end }}
{{- dict "config" $config "keys" $keys | toYaml }}
{{- end }}

{{- define "tradeengine.schemaContainer" -}}
{{- $parts := include "tradeengine.schemaParts" . | fromYaml }}
- name: schema-{{ .target }}
  {{- include "tradeengine.containerHead" .root | nindent 2 }}
  args: [schema, apply, --target, {{ .target }}, --wait, {{ .root.Values.schema.waitSeconds | quote }}]
  env:
    {{- include "tradeengine.env" (dict "root" .root "keys" $parts.keys) | nindent 4 }}
    {{- range $name, $value := $parts.config }}
    - name: {{ $name }}
      value: {{ $value | quote }}
    {{- end }}
  resources:
    {{- toYaml .root.Values.schema.resources | nindent 4 }}
  volumeMounts:
    {{- include "tradeengine.mounts" $parts | nindent 4 }}
{{- end }}

{{- define "tradeengine.schemaContainers" -}}
{{ include "tradeengine.schemaContainer" (dict "root" . "target" "mongodb") }}
{{- if include "tradeengine.mysql" . }}
{{ include "tradeengine.schemaContainer" (dict "root" . "target" "mysql") }}
{{- end }}
{{- end }}

{{- define "tradeengine.schemaPod" -}}
{{- $root := .root }}
{{- $keys := (include "tradeengine.schemaParts" . | fromYaml).keys }}
{{- $secret := $root.Values.schema.existingSecret | default (include "tradeengine.secret" $root) }}
metadata:
  labels:
    {{- include "tradeengine.labels" $root | nindent 4 }}
    app.kubernetes.io/component: schema
spec:
  restartPolicy: Never
  # Before an install the release's own account does not exist yet; no pod has a token of either.
  {{- include "tradeengine.podHead" (dict "root" $root "account" "default") | nindent 2 }}
  containers:
    {{- include "tradeengine.schemaContainer" . | nindent 4 }}
  volumes:
    {{- include "tradeengine.volumes" (dict "root" $root "keys" $keys "secret" $secret) | nindent 4 }}
{{- end }}

{{/* A Job cannot be changed. Version and digest in its name: another Job for whatever is not the same. */}}
{{- define "tradeengine.schemaJob" -}}
{{- $pod := include "tradeengine.schemaPod" . }}
{{- $version := .root.Chart.AppVersion | lower | replace "." "-" | replace "+" "-" | trunc 12 | trimSuffix "-" }}
{{- $name := printf "%s-%s-%s" (include "tradeengine.fullname" .root | trunc 30 | trimSuffix "-") .name $version }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name | trunc 54 | trimSuffix "-" }}-{{ sha256sum $pod | trunc 8 }}
  labels:
    {{- include "tradeengine.labels" .root | nindent 4 }}
    app.kubernetes.io/component: schema
  {{- if eq .root.Values.schema.run "hook" }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "0"
    helm.sh/hook-delete-policy: before-hook-creation
  {{- end }}
spec:
  backoffLimit: {{ .root.Values.schema.backoffLimit }}
  activeDeadlineSeconds: {{ .root.Values.schema.deadlineSeconds }}
  ttlSecondsAfterFinished: {{ .root.Values.schema.keepSeconds }}
  template:
    {{- $pod | nindent 4 }}
{{- end }}

{{- define "tradeengine.schemaByJob" -}}
{{- if has (include "tradeengine.schemaRun" .) (list "hook" "job") }}true{{ end }}
{{- end }}
