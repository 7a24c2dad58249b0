{{/* Names, labels and the settings of one service. */}}

{{- define "flotilla.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "flotilla" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-flotilla" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (dict "root" $ "name" service) */}}
{{- define "flotilla.selector" -}}
app.kubernetes.io/name: flotilla
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- define "flotilla.labels" -}}
{{ include "flotilla.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: flotilla
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* Services of the fleet that are enabled, by name: `access` (files/access.json) and their settings, as JSON. */}}
{{- define "flotilla.services" -}}
{{- $access := .Files.Get "files/access.json" | fromJson -}}
{{- range $name, $_ := .Values.services -}}
{{- if not (hasKey $access.services $name) -}}
{{- fail (printf "services.%s: there is no such service; there are: %s" $name (keys $access.services | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- include "flotilla.checkFleet" . -}}
{{- $found := dict -}}
{{- range $name, $rights := $access.services -}}
{{- $own := index $.Values.services $name | default dict -}}
{{- $settings := mergeOverwrite (deepCopy $.Values.defaults) (deepCopy $own) -}}
{{- if $settings.enabled -}}
{{- $_ := set $settings "access" $rights -}}
{{- include "flotilla.checkService" (dict "root" $ "name" $name "settings" $settings) -}}
{{- $_ := set $found $name $settings -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end -}}

{{/* As text: whole numbers without an exponent, which Go gives those of a million and more. */}}
{{- define "flotilla.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* A map whose values Kubernetes takes as strings only, such as labels. */}}
{{- define "flotilla.strings" -}}
{{- range $name, $value := . }}
{{ $name | quote }}: {{ include "flotilla.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* (dict "image" .. "root" $ "suffix" "" "digest" "") */}}
{{- define "flotilla.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- $digest := .digest | default .image.digest -}}
{{- if $digest -}}
{{- printf "%s@%s" .image.repository $digest -}}
{{- else -}}
{{- printf "%s:%s%s" .image.repository $tag (.suffix | default "") -}}
{{- end -}}
{{- end -}}

{{/* Seconds until a stopping pod is killed: after its drain. */}}
{{- define "flotilla.graceS" -}}
{{- add (div (add (int .Values.fleet.drainMs) 999) 1000) 15 -}}
{{- end -}}

{{- define "flotilla.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "flotilla.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}
