{{/* Parts of every pod that runs the engine's image. */}}

{{- define "tradeengine.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "tradeengine.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* First lines of a pod's spec; the service account is given as "account". */}}
{{- define "tradeengine.podHead" -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "tradeengine.podSecurity" .root | nindent 2 }}
{{- end }}

{{- define "tradeengine.containerHead" -}}
image: {{ include "tradeengine.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "tradeengine.containerSecurity" . | nindent 2 }}
{{- end }}

{{/* Variables that the chart itself makes, and one NAME_FILE for each of "keys". */}}
{{- define "tradeengine.env" -}}
{{- $root := .root }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: TRADEENGINE_HOST
  value: 0.0.0.0
- name: TRADEENGINE_PORT
  value: {{ include "tradeengine.text" $root.Values.port | quote }}
- name: TRADEENGINE_DATA_DIR
  value: /var/lib/tradeengine
- name: NATS_EMBEDDED
  value: "off"
{{- if .archive }}
- name: ARCHIVE_DIR
  value: /var/lib/tradeengine-archive
{{- end }}
{{- range .keys }}
- name: {{ . }}_FILE
  value: /etc/tradeengine/secrets/{{ . }}
{{- end }}
{{- range $name, $value := $root.Values.extraEnv }}
- name: {{ $name }}
  value: {{ include "tradeengine.text" $value | quote }}
{{- end }}
{{- end }}

{{- define "tradeengine.mounts" -}}
- name: data
  mountPath: /var/lib/tradeengine
- name: tmp
  mountPath: /tmp
{{- if .keys }}
- name: secrets
  mountPath: /etc/tradeengine/secrets
  readOnly: true
{{- end }}
{{- if .archive }}
- name: archive
  mountPath: /var/lib/tradeengine-archive
  {{- if ne .archive "write" }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{/* A key that the Secret lacks keeps the pod from starting: it is never taken for "not set". */}}
{{- define "tradeengine.volumes" -}}
- name: data
  emptyDir: {sizeLimit: {{ .root.Values.scratchSize }}}
- name: tmp
  emptyDir: {sizeLimit: {{ .tmpSize | default .root.Values.scratchSize }}}
{{- if .keys }}
- name: secrets
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- if .archive }}
- name: archive
  persistentVolumeClaim:
    claimName: {{ include "tradeengine.archiveClaim" .root }}
    {{- if ne .archive "write" }}
    readOnly: true
    {{- end }}
{{- end }}
{{- end }}

{{/* Keys of the Secret that commands beside the engine need: all but those of the HTTP side. */}}
{{- define "tradeengine.commandKeys" -}}
{{- $keys := (include "tradeengine.keys" . | fromYaml).keys }}
{{- dict "keys" (without $keys "READER_API_KEY" "TRADER_API_KEY" "RISK_OVERRIDE_KEY" "ADMIN_API_KEY") | toYaml }}
{{- end }}
