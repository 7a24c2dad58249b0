// Checks the settings of sessions.
import { z } from 'zod'
import { MAX_VARIABLES_CHARS, whenBusyChoices } from './sessions.ts'

const whole = (least: number, most: number) => z.number().int().min(least).max(most)

export const sessionsSchema = z.strictObject({
  whenBusy: z.enum(whenBusyChoices).optional(),
  waiting: whole(0, 1_000).optional(),
  recentTurns: whole(1, 200).optional(),
  recentTokens: whole(100, 200_000).optional(),
  summaryModel: z.string().min(1).optional(),
  summaryTokens: whole(50, 20_000).optional(),
  retentionDays: z.number().min(0.01).max(3_650).optional(),
  keepVariables: z.boolean().optional(),
  variablesHours: z.number().min(0.01).max(87_600).optional(),
  variablesChars: whole(1_000, MAX_VARIABLES_CHARS).optional(),
  variablesComputeMs: whole(1_000, 600_000).optional(),
})
