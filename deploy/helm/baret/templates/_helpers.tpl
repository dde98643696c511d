{{- define "baret.fullname" -}}
{{- if contains "baret" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-baret" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "baret.selector" -}}
app.kubernetes.io/name: baret
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "baret.labels" -}}
{{ include "baret.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "baret.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "baret.fullname" .) }}
{{- end }}

{{/* An image: list of root and the image's values. */}}
{{- define "baret.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The name that clients and metrics use for a checkpoint, as `Settings.model_name` makes it. */}}
{{- define "baret.modelName" -}}
{{- if regexMatch "^[A-Za-z0-9][A-Za-z0-9_.-]*=." . }}{{ (splitn "=" 2 .)._0 }}
{{- else if hasSuffix ".safetensors" . }}{{ trimSuffix ".safetensors" (base .) }}
{{- else if hasPrefix "/" . }}{{ base . }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{- define "baret.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "baret.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What every pod has: who it runs as and where it may be placed. List of root and placement. */}}
{{- define "baret.pod" -}}
{{- $root := index . 0 }}{{ $place := index . 1 -}}
serviceAccountName: {{ include "baret.serviceAccount" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "baret.podSecurity" $root | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $place.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $place.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with $place.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}

{{/* Variables of every process. */}}
{{- define "baret.env" -}}
- {name: BARET_DATA_DIR, value: /data/baret}
- {name: BARET_SECRETS_DIR, value: /etc/baret/secrets}
- {name: BARET_LOG_FORMAT, value: json}
{{- with .Values.redis.url }}
- {name: REDIS_URL, value: {{ quote . }}}
{{- end }}
{{- with .Values.storage.url }}
- {name: BARET_STORE_URL, value: {{ quote . }}}
- {name: BARET_DIRECT_UPLOADS, value: {{ quote $.Values.storage.directUploads }}}
- {name: BARET_DIRECT_DOWNLOADS, value: {{ quote $.Values.storage.directDownloads }}}
{{- end }}
{{- with .Values.monitoring.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ quote . }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ quote $value }}}
{{- end }}
{{- end }}

{{- define "baret.envFrom" -}}
{{- with .Values.storage.existingSecret }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}

{{- define "baret.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /etc/baret/secrets, readOnly: true}
{{- end }}

{{- define "baret.volumes" -}}
- name: data
  {{- if .Values.storage.existingClaim }}
  persistentVolumeClaim: {claimName: {{ .Values.storage.existingClaim }}}
  {{- else }}
  emptyDir: {}
  {{- end }}
- {name: tmp, emptyDir: {medium: Memory, sizeLimit: 256Mi}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- with .Values.redis.existingSecret }}
      - secret: {name: {{ . }}, items: [{key: REDIS_URL, path: REDIS_URL}]}
      {{- end }}
      {{- with .Values.existingSecret }}
      - secret: {name: {{ . }}}
      {{- end }}
      {{- if not (or .Values.redis.existingSecret .Values.existingSecret) }} []{{ end }}
{{- end }}
