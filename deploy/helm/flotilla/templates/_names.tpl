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

{{/* Mistakes that the schema of the values does not show. */}}
{{- define "flotilla.checkService" -}}
{{- $partitions := int .root.Values.fleet.partitions -}}
{{- $scaling := .settings.autoscaling -}}
{{- $most := ternary (int .settings.replicas) (int $scaling.maxReplicas) (eq $scaling.kind "none") -}}
{{- if and .settings.access.group (gt $most $partitions) -}}
{{- fail (printf "services.%s: %d pods, but a stage uses at most fleet.partitions (%d): the others would never be ready" .name $most $partitions) -}}
{{- end -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "services.%s: autoscaling.minReplicas is above maxReplicas" .name) -}}
{{- end -}}
{{- end -}}

{{/* (dict "image" .. "root" $ "suffix" "") */}}
{{- define "flotilla.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
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
