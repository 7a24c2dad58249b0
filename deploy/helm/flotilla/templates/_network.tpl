{{/* Rules of network policies. */}}

{{/* Peers as YAML; `default` if none are given. */}}
{{- define "flotilla.peers" -}}
{{- if .peers -}}{{ toYaml .peers }}{{- else -}}{{ toYaml (list .default) }}{{- end -}}
{{- end -}}

{{/* One rule: peers, none for any address, and ports. */}}
{{- define "flotilla.egress" -}}
- ports:
    {{- range (.ports | uniq) }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- with .peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Port of a URL, or its scheme's own. (dict "url" .. "default" 443) */}}
{{- define "flotilla.portOf" -}}
{{- $host := (urlParse .url).host -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $host) | default (.default | toString) -}}
{{- end -}}

{{- define "flotilla.egressToLog" -}}
- to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports: [{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }]
{{- $ports := list -}}
{{- range .Values.kafka.brokers -}}{{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}{{- end }}
{{ include "flotilla.egress" (dict "peers" .Values.networkPolicy.kafka "ports" $ports) }}
{{- with .Values.schemaRegistry.url }}
{{- $default := ternary 443 80 (hasPrefix "https:" .) }}
{{ include "flotilla.egress" (dict "peers" $.Values.networkPolicy.schemaRegistry "ports" (list (include "flotilla.portOf" (dict "url" . "default" $default) | int))) }}
{{- end }}
{{- end -}}

{{- define "flotilla.egressToStores" -}}
{{ include "flotilla.egress" (dict "peers" .Values.networkPolicy.redis "ports" (list (include "flotilla.portOf" (dict "url" .Values.redis.url "default" 6379) | int))) }}
{{ include "flotilla.egress" (dict "peers" .Values.networkPolicy.database "ports" (list (include "flotilla.portOf" (dict "url" .Values.database.url "default" 5432) | int))) }}
{{- with .Values.telemetry.otlpEndpoint }}
{{ include "flotilla.egress" (dict "peers" $.Values.networkPolicy.telemetry "ports" (list (include "flotilla.portOf" (dict "url" . "default" 4318) | int))) }}
{{- end }}
{{- end -}}
