{{/* Rules of egress; ports follow the addresses that are configured. */}}

{{/* Ports that addresses name, as a list under "ports": those of "urls", each with the port of its scheme or "default". */}}
{{- define "tradeengine.portsOf" -}}
{{- $schemes := dict "http" 80 "https" 443 "ws" 80 "wss" 443 }}
{{- $default := .default }}
{{- $ports := list }}
{{- range .urls }}
{{- range splitList "," (toString .) }}
{{- $url := . }}
{{- if ne $url "" }}
{{- $scheme := ternary (splitList "://" $url | first) "" (contains "://" $url) }}
{{- $host := splitList "://" $url | last | splitList "/" | first | splitList "?" | first }}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" }}
{{- $ports = append $ports (int (default (get $schemes $scheme | default $default) $port)) }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "ports" ($ports | uniq | default (list $default)) | toYaml }}
{{- end }}

{{/* One rule: "peer" has `to` and `ports` of the values. */}}
{{- define "tradeengine.egressRule" -}}
{{- $ports := .peer.ports | default (include "tradeengine.portsOf" . | fromYaml).ports }}
- ports:
    {{- range $ports }}
    - {protocol: TCP, port: {{ include "tradeengine.text" . }}}
    {{- end }}
  {{- with .peer.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "tradeengine.egressDns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
  {{- with .Values.networkPolicy.egress.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "tradeengine.egressStores" -}}
{{- $config := .Values.config }}
{{- $egress := .Values.networkPolicy.egress }}
{{ include "tradeengine.egressRule" (dict "peer" $egress.mongodb "urls" (list $config.MONGODB_URI | compact) "default" 27017) }}
{{- if include "tradeengine.mysql" . }}
{{ include "tradeengine.egressRule" (dict "peer" $egress.mysql "urls" (list $config.MYSQL_URI | compact) "default" (int ($config.MYSQL_PORT | default 3306))) }}
{{- end }}
{{- end }}

{{/* Only public addresses: what answers inside a cluster, or a cloud's metadata, is no exchange. */}}
{{- define "tradeengine.egressExchange" -}}
{{- $config := .Values.config }}
{{- $egress := .Values.networkPolicy.egress.exchange }}
{{- $urls := list $config.BINANCE_FUTURES_BASE_URL $config.BINANCE_WS_URL | compact }}
{{- $public := list
  (dict "ipBlock" (dict "cidr" "0.0.0.0/0" "except" (list "10.0.0.0/8" "100.64.0.0/10" "169.254.0.0/16" "172.16.0.0/12" "192.168.0.0/16")))
  (dict "ipBlock" (dict "cidr" "::/0" "except" (list "fc00::/7" "fe80::/10"))) }}
{{- $to := $egress.to | default (ternary (list) $public (gt (len $urls) 0)) }}
{{ include "tradeengine.egressRule" (dict "peer" (dict "to" $to "ports" $egress.ports) "urls" $urls "default" 443) }}
{{- end }}
