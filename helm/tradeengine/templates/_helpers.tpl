{{/* Names, labels, and texts of values. */}}

{{- define "tradeengine.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters, so that a Job's name has room for version and digest. */}}
{{- define "tradeengine.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "tradeengine.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "tradeengine.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tradeengine.selector" -}}
app.kubernetes.io/name: {{ include "tradeengine.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tradeengine.labels" -}}
{{ include "tradeengine.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tradeengine
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tradeengine.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "tradeengine.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "tradeengine.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* Text of a setting. YAML's whole numbers arrive as floats, which would print as 1e+06; the schema lets no others in. */}}
{{- define "tradeengine.text" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "tradeengine.mode" -}}
{{- .Values.config.TRADING_MODE | default "paper" }}
{{- end }}

{{/* Not empty where orders go to an exchange. */}}
{{- define "tradeengine.real" -}}
{{- if has (include "tradeengine.mode" .) (list "testnet" "production") }}true{{ end }}
{{- end }}

{{- define "tradeengine.shards" -}}
{{- include "tradeengine.text" (.Values.config.SHARDS | default 8) }}
{{- end }}

{{/* Settings that go into the ConfigMap, as YAML: those given, and what a trial's servers make of them. */}}
{{- define "tradeengine.config" -}}
{{- $config := dict }}
{{- range $name, $value := .Values.config }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{- $_ := set $config $name (include "tradeengine.text" $value) }}
{{- end }}
{{- end }}
{{- if .Values.trial.enabled }}
{{- $_ := set $config "NATS_URL" (printf "nats://%s-nats:4222" (include "tradeengine.fullname" .)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* Settings that are read from files of the Secret, as a list under "keys". */}}
{{- define "tradeengine.keys" -}}
{{- if .Values.trial.enabled }}
{{- dict "keys" (list "MONGODB_URI" "MYSQL_URI" "READER_API_KEY" "TRADER_API_KEY" "RISK_OVERRIDE_KEY" "ADMIN_API_KEY") | toYaml }}
{{- else }}
{{- dict "keys" .Values.secrets.keys | toYaml }}
{{- end }}
{{- end }}

{{- define "tradeengine.secret" -}}
{{- if .Values.trial.enabled }}{{ include "tradeengine.fullname" . }}-trial
{{- else if .Values.secrets.external.enabled }}{{ include "tradeengine.fullname" . }}-external
{{- else }}{{ .Values.secrets.existingSecret }}
{{- end }}
{{- end }}

{{/* Not empty where a copy in MySQL is configured. */}}
{{- define "tradeengine.mysql" -}}
{{- $keys := (include "tradeengine.keys" . | fromYaml).keys }}
{{- if or (has "MYSQL_URI" $keys) .Values.config.MYSQL_URI .Values.config.MYSQL_HOST }}true{{ end }}
{{- end }}

{{/* How the schema is applied; in a trial by the pods themselves, since its servers come with the release. */}}
{{- define "tradeengine.schemaRun" -}}
{{- ternary "init" .Values.schema.run .Values.trial.enabled }}
{{- end }}

{{- define "tradeengine.archiveClaim" -}}
{{- .Values.archive.existingClaim | default (printf "%s-archive" (include "tradeengine.fullname" .)) }}
{{- end }}
