{{/* Servers of a trial: one pod each. "server" has `name`, `image`, `user` and `ports`, and `pod`, the text of its container's rest. */}}

{{- define "tradeengine.trialServer" -}}
{{- $root := .root }}
{{- $server := .server }}
{{- $name := printf "%s-%s" (include "tradeengine.fullname" $root) $server.name }}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    {{- include "tradeengine.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $server.name }}
spec:
  clusterIP: None
  # MongoDB looks its own name up before it is ready.
  publishNotReadyAddresses: true
  selector:
    {{- include "tradeengine.selector" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $server.name }}
  ports:
    {{- range $server.ports }}
    - {name: port-{{ . }}, port: {{ . }}, protocol: TCP}
    {{- end }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "tradeengine.labels" $root | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "tradeengine.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $server.name }}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels:
    {{- include "tradeengine.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $server.name }}
spec:
  replicas: 1
  serviceName: {{ $name }}
  selector:
    matchLabels:
      {{- include "tradeengine.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $server.name }}
  template:
    metadata:
      labels:
        {{- include "tradeengine.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $server.name }}
    spec:
      serviceAccountName: {{ include "tradeengine.serviceAccount" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ $server.user }}
        runAsGroup: {{ $server.user }}
        fsGroup: {{ $server.user }}
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: {{ $server.name }}
          image: {{ $server.image | quote }}
          imagePullPolicy: IfNotPresent
          securityContext:
            {{- include "tradeengine.containerSecurity" $root | nindent 12 }}
          ports:
            {{- range $server.ports }}
            - {name: port-{{ . }}, containerPort: {{ . }}, protocol: TCP}
            {{- end }}
          resources:
            {{- toYaml $root.Values.trial.resources | nindent 12 }}
          {{- .container | nindent 10 }}
          volumeMounts:
            - {name: data, mountPath: {{ $server.data }}}
            {{- range $name, $path := $server.more }}
            - {name: {{ $name }}, mountPath: {{ $path }}}
            {{- end }}
      volumes:
        {{- range $name, $path := $server.more }}
        {{- if ne $name "config" }}
        - name: {{ $name }}
          emptyDir: {}
        {{- else }}
        - name: config
          configMap: {name: {{ include "tradeengine.fullname" $root }}-{{ $server.name }}}
        {{- end }}
        {{- end }}
        {{- if not $root.Values.trial.storage }}
        - name: data
          emptyDir: {}
        {{- end }}
  {{- with $root.Values.trial.storage }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests:
            storage: {{ . }}
  {{- end }}
{{- end }}
