{{/* A command of the engine that runs every night: "name", "args", "archive", "secret", "tmpSize" and "values" of it. */}}

{{- define "tradeengine.nightly" -}}
{{- $root := .root }}
{{- $keys := (include "tradeengine.commandKeys" $root | fromYaml).keys }}
{{- $secret := .secret | default (include "tradeengine.secret" $root) }}
{{- $parts := dict "root" $root "keys" $keys "secret" $secret "archive" .archive "tmpSize" .tmpSize }}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "tradeengine.fullname" $root }}-{{ .name }}
  labels:
    {{- include "tradeengine.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  schedule: {{ .values.schedule | quote }}
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 7
  jobTemplate:
    spec:
      # Each of its exit codes is an answer that somebody must see: none is tried away.
      backoffLimit: 0
      activeDeadlineSeconds: {{ .values.deadlineSeconds }}
      template:
        metadata:
          labels:
            {{- include "tradeengine.labels" $root | nindent 12 }}
            app.kubernetes.io/component: {{ .name }}
        spec:
          restartPolicy: Never
          {{- $account := include "tradeengine.serviceAccount" $root }}
          {{- include "tradeengine.podHead" (dict "root" $root "account" $account) | nindent 10 }}
          containers:
            - name: {{ .name }}
              {{- include "tradeengine.containerHead" $root | nindent 14 }}
              args: {{ .args | toJson }}
              envFrom:
                - configMapRef: {name: {{ include "tradeengine.fullname" $root }}}
              env:
                {{- include "tradeengine.env" $parts | nindent 16 }}
              resources:
                {{- toYaml .values.resources | nindent 16 }}
              volumeMounts:
                {{- include "tradeengine.mounts" $parts | nindent 16 }}
          volumes:
            {{- include "tradeengine.volumes" $parts | nindent 12 }}
{{- end }}
