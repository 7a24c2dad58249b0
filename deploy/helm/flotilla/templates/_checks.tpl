{{/* Mistakes that the schema of the values does not show. Each fails with what to do. */}}

{{/* What the environment of one service may not hold. (dict "root" $ "name" .. "settings" .. "secrets" list) */}}
{{- define "flotilla.checkEnvironment" -}}
{{- $instead := dict "FLOTILLA_PREFIX" "set fleet.prefix" "FLOTILLA_PARTITIONS" "set fleet.partitions" "FLOTILLA_DRAIN_MS" "set fleet.drainMs" "FLOTILLA_ALLOWED_HOSTS" "set gateway.hosts" "KAFKA_BROKERS" "set kafka.brokers" "KAFKA_SSL" "set kafka.ssl" "KAFKA_SASL_MECHANISM" "set kafka.saslMechanism" "SCHEMA_REGISTRY_URL" "set schemaRegistry.url" "REDIS_URL" "set redis.url" "DATABASE_URL" "set database.url" -}}
{{- $given := list -}}
{{- range .secrets }}{{ $given = concat $given (list .variable (printf "%s_FILE" .variable)) }}{{ end -}}
{{- range $variable := concat (keys .root.Values.env) (keys .settings.env) | sortAlpha | uniq -}}
{{- with index $instead $variable -}}
{{- fail (printf "env: %s of %s: the rest of the chart would not follow it; %s" $variable $.name .) -}}
{{- end -}}
{{- if has $variable $given -}}
{{- fail (printf "env: %s of %s: secrets gives it too; remove one of the two" $variable $.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels and annotations by which the chart finds its pods. (dict "name" .. "settings" ..) */}}
{{- define "flotilla.checkMetadata" -}}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/part-of" "app.kubernetes.io/managed-by" "helm.sh/chart" "flotilla/config" -}}
{{- range $label := concat (keys .settings.podLabels) (keys .settings.podAnnotations) -}}
{{- if has $label $own -}}
{{- fail (printf "services.%s: %s is the chart's own; give another name in podLabels or podAnnotations" $.name $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Values that do not fit together, of the whole fleet. */}}
{{- define "flotilla.checkFleet" -}}
{{- $v := .Values -}}
{{- if not (regexMatch "^[a-z]" (include "flotilla.fullname" .)) -}}
{{- fail (printf "the name %s must begin with a letter, because Services are named by it; set fullnameOverride" (include "flotilla.fullname" .)) -}}
{{- end -}}
{{- range $place, $url := dict "redis.url" $v.redis.url "database.url" $v.database.url "schemaRegistry.url" $v.schemaRegistry.url -}}
{{- if regexMatch "^[a-z]+://[^/@]*:[^/]*@" $url -}}
{{- fail (printf "%s has a password, which everybody sees who may read Deployments; leave it out there, and name %s in secrets" $place (get (dict "redis.url" "REDIS_PASSWORD" "database.url" "DATABASE_PASSWORD" "schemaRegistry.url" "SCHEMA_REGISTRY_PASSWORD") $place)) -}}
{{- end -}}
{{- end -}}
{{- $variables := keys $v.env -}}
{{- range $v.secrets }}{{ $variables = append $variables .variable }}{{ end -}}
{{- if and (eq $v.sandbox.executor "e2b") (not (has "E2B_API_KEY" $variables)) -}}
{{- fail "sandbox.executor: e2b needs a key: add E2B_API_KEY to secrets" -}}
{{- end -}}
{{- if and (eq $v.sandbox.executor "native") $v.image.digest (not $v.sandbox.nativeImageDigest) -}}
{{- fail "sandbox.executor: native runs in another image than image.digest names: set sandbox.nativeImageDigest too" -}}
{{- end -}}
{{- end -}}

{{/* Pods of one service. (dict "root" $ "name" .. "settings" ..) */}}
{{- define "flotilla.checkService" -}}
{{- $partitions := int .root.Values.fleet.partitions -}}
{{- $scaling := .settings.autoscaling -}}
{{- $most := ternary (int .settings.replicas) (int $scaling.maxReplicas) (eq $scaling.kind "none") -}}
{{- if and .settings.access.group (gt $most $partitions) -}}
{{- fail (printf "services.%s: %d pods, but a stage uses at most fleet.partitions (%d): the others would never be ready" .name $most $partitions) -}}
{{- end -}}
{{- include "flotilla.checkMetadata" . -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "services.%s: autoscaling.minReplicas is above maxReplicas" .name) -}}
{{- end -}}
{{- end -}}
