// Errors as every route answers with them.
import { z } from 'zod'
import { errorTable, type ErrorCode } from '../../runtime/errors.ts'

const codes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]

export const errorAnswer = z
  .object({
    error: z.object({
      code: z
        .enum(codes)
        .meta({ id: 'ErrorCode', description: 'What each means, and what to do: /docs#errors.' }),
      message: z.string().meta({ description: 'What happened and where.' }),
      remedy: z.string().meta({ description: 'What to do.' }),
      retryAfterMs: z
        .number()
        .optional()
        .meta({ description: 'When the same request may succeed, if that is known.' }),
    }),
  })
  .meta({ id: 'Error' })
