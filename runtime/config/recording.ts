// How long a fleet's ledgers keep what it did, and what its spans show of it.
import { z } from 'zod'

export interface MeteringDefinition {
  /** The ledgers keep this many days. */
  retentionDays?: number
}

/** Content on spans (docs/tracing.md). OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT wins. */
export interface TelemetryDefinition {
  /** True: spans hold messages, arguments of tools and their results. Default false. */
  captureContent?: boolean
  /** Longest attribute. Default 32,768; 1,000 to 1,000,000. */
  maxContentChars?: number
}

export const defaultTelemetry: Required<TelemetryDefinition> = {
  captureContent: false,
  maxContentChars: 32_768,
}

export const meteringSchema = z.strictObject({
  retentionDays: z.number().int().min(1).max(3_650).optional(),
})

export const telemetrySchema = z.strictObject({
  captureContent: z.boolean().optional(),
  maxContentChars: z.number().int().min(1_000).max(1_000_000).optional(),
})
