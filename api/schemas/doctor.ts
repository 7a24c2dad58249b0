// What doctor finds of a fleet.
import { z } from 'zod'
import { timeMs } from './values.ts'

const finding = z
  .object({
    check: z.string().meta({ description: 'What was looked at: `log`, `model API`, `MCP github`.' }),
    result: z.enum(['ok', 'warn', 'failed', 'skipped']).meta({
      description:
        'warn: it works, but with a weaker guarantee. skipped: nothing was tried, because another process does that work, or because it would change something.',
    }),
    code: z.string().nullable().meta({ description: 'Code of the error table; null without one.' }),
    reason: z.string(),
    remedy: z.string().nullable().meta({ description: 'What to do about it; null: nothing.' }),
  })
  .meta({ id: 'Finding' })

export const doctorReport = z
  .object({ atMs: timeMs, findings: z.array(finding) })
  .meta({ id: 'DoctorReport' })

export type Finding = z.infer<typeof finding>
export type DoctorReport = z.infer<typeof doctorReport>
