{{/* The environment, secrets and files of one service. */}}

{{/* The entries of `secrets` that a service gets, each with `as`: file, path or variable. As JSON.
     (dict "root" $ "name" service) */}}
{{- define "flotilla.secretsOf" -}}
{{- $access := .root.Files.Get "files/access.json" | fromJson -}}
{{- $isSetup := eq .name "setup" -}}
{{- $entries := .root.Values.secrets -}}
{{- if and $isSetup .root.Values.setup.secrets -}}
{{- $entries = .root.Values.setup.secrets -}}
{{- end -}}
{{- $found := list -}}
{{- range $entry := $entries -}}
{{- $services := $entry.services | default list -}}
{{- if not $services -}}
{{- range $rule := $access.secrets -}}
{{- if and (not $services) (regexMatch $rule.pattern $entry.variable) -}}
{{- $services = $rule.services -}}
{{- end -}}
{{- end -}}
{{- if not $services -}}
{{- fail (printf "secrets: %s: say which services get it, such as services: [tool-executor]" $entry.variable) -}}
{{- end -}}
{{- end -}}
{{- $isWanted := or (has "*" $services) (has $.name $services) -}}
{{- if $isSetup -}}
{{- $isWanted = regexMatch $access.setupSecrets $entry.variable -}}
{{- end -}}
{{- if $isWanted -}}
{{- $as := "variable" -}}
{{- if regexMatch $access.fileVariables $entry.variable -}}
{{- $as = "file" -}}
{{- else if regexMatch $access.pathVariables $entry.variable -}}
{{- $as = "path" -}}
{{- end -}}
{{- range $found -}}
{{- if eq .variable $entry.variable -}}
{{- fail (printf "secrets: %s gets %s twice; name it once for each service" $.name .variable) -}}
{{- end -}}
{{- end -}}
{{- $secret := replace "{service}" $.name $entry.secret -}}
{{- $found = append $found (dict "variable" $entry.variable "secret" $secret "key" $entry.key "as" $as) -}}
{{- end -}}
{{- end -}}
{{- dict "list" $found | toJson -}}
{{- end -}}

{{/* Keys of providers that planner has and this service has not. */}}
{{- define "flotilla.keysElsewhere" -}}
{{- $planners := (include "flotilla.secretsOf" (dict "root" .root "name" "planner") | fromJson).list -}}
{{- $own := (include "flotilla.secretsOf" . | fromJson).list -}}
{{- $names := list -}}
{{- range $own }}{{ $names = append $names .variable }}{{ end -}}
{{- $elsewhere := list -}}
{{- range $planners -}}
{{- if and (hasSuffix "_API_KEY" .variable) (not (has .variable $names)) -}}
{{- $elsewhere = append $elsewhere .variable -}}
{{- end -}}
{{- end -}}
{{- $elsewhere | join "," -}}
{{- end -}}

{{- define "flotilla.sandboxUrl" -}}
{{- if .Values.sandbox.server.url -}}
{{- .Values.sandbox.server.url -}}
{{- else -}}
{{- printf "http://%s-sandbox-server" (include "flotilla.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* Names by which pods may be asked over HTTP. */}}
{{- define "flotilla.allowedHosts" -}}
{{- $base := printf "%s-%s" (include "flotilla.fullname" .root) .name -}}
{{- $names := list $base (printf "%s.%s" $base .root.Release.Namespace) (printf "%s.%s.svc" $base .root.Release.Namespace) (printf "%s.%s.svc.cluster.local" $base .root.Release.Namespace) -}}
{{- if eq .name "gateway" -}}
{{- $names = concat $names .root.Values.gateway.hosts -}}
{{- end -}}
{{- $names | join "," -}}
{{- end -}}

{{/* Variables of every process that reaches Kafka and the registry, as a map. */}}
{{- define "flotilla.logVariables" -}}
{{- $v := .Values -}}
FLOTILLA_PREFIX: {{ $v.fleet.prefix | quote }}
FLOTILLA_PARTITIONS: {{ $v.fleet.partitions | quote }}
KAFKA_BROKERS: {{ required "kafka.brokers: name at least one broker as host:port" ($v.kafka.brokers | join ",") | quote }}
{{- if $v.kafka.ssl }}
KAFKA_SSL: '1'
{{- end }}
{{- with $v.kafka.saslMechanism }}
KAFKA_SASL_MECHANISM: {{ . | quote }}
{{- end }}
{{- with $v.schemaRegistry.url }}
SCHEMA_REGISTRY_URL: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Variables of one service, as a map; later ones win. (dict "root" $ "name" .. "settings" ..) */}}
{{- define "flotilla.variables" -}}
{{- $v := .root.Values -}}
{{ include "flotilla.logVariables" .root }}
REDIS_URL: {{ required "redis.url: give the URL of Redis, such as redis://redis:6379" $v.redis.url | quote }}
DATABASE_URL: {{ required "database.url: give the URL of PostgreSQL, such as postgres://flotilla@postgres:5432/flotilla" $v.database.url | quote }}
{{- with $v.telemetry.otlpEndpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . | quote }}
{{- end }}
FLOTILLA_DRAIN_MS: {{ $v.fleet.drainMs | quote }}
LOG_LEVEL: {{ $v.fleet.logLevel | quote }}
LOG_FORMAT: json
HOST: 0.0.0.0
PORT: '8000'
FLOTILLA_DATA: /tmp/flotilla
FLOTILLA_CACHE: /tmp/cache
FLOTILLA_ALLOWED_HOSTS: {{ include "flotilla.allowedHosts" . | quote }}
{{- if or $v.config.files $v.config.existingConfigMap }}
FLOTILLA_CONFIG: {{ printf "/etc/flotilla/%s" $v.config.entry | quote }}
{{- end }}
{{- with include "flotilla.keysElsewhere" . }}
FLOTILLA_KEYS_ELSEWHERE: {{ . | quote }}
{{- end }}
{{- if eq .name "gateway" }}
FLOTILLA_API_ACCESS: closed
{{- end }}
{{- if eq $v.sandbox.executor "native" }}
FLOTILLA_EXECUTORS: native
{{- with $v.sandbox.packages }}
FLOTILLA_PYTHON_PACKAGES: {{ join "," . | quote }}
{{- end }}
{{- else if eq $v.sandbox.executor "http" }}
FLOTILLA_SANDBOX_URL: {{ include "flotilla.sandboxUrl" .root | quote }}
{{- else if eq $v.sandbox.executor "e2b" }}
FLOTILLA_EXECUTORS: e2b
{{- end }}
{{- end -}}

{{/* `env` of a container. `variables`: a map; `secrets`: what secretsOf gives, which replaces a variable of that name. */}}
{{- define "flotilla.env" -}}
{{- $plain := .variables -}}
{{- range .secrets }}{{ $plain = omit $plain .variable }}{{ end -}}
{{- range $name, $value := $plain }}
- name: {{ $name }}
  value: {{ include "flotilla.text" $value | quote }}
{{- end }}
{{- range .secrets }}
{{- if eq .as "file" }}
- name: {{ .variable }}_FILE
  value: {{ printf "/run/secrets/flotilla/%s" .variable }}
{{- else if eq .as "path" }}
- name: {{ .variable }}
  value: {{ printf "/run/secrets/flotilla/%s" .variable }}
{{- else }}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef: { name: {{ .secret | quote }}, key: {{ .key | quote }} }
{{- end }}
{{- end }}
{{- end -}}

{{/* Volume of those secrets that are files; nothing if there are none. */}}
{{- define "flotilla.secretVolume" -}}
{{- $files := list -}}
{{- range .secrets }}{{ if ne .as "variable" }}{{ $files = append $files . }}{{ end }}{{ end -}}
{{- if $files -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $files }}
      - secret:
          name: {{ .secret | quote }}
          items: [{ key: {{ .key | quote }}, path: {{ .variable }} }]
      {{- end }}
{{- end -}}
{{- end -}}
