// Runs a check of doctor within its time, and says what it found: without secrets, with what to do about it.
import type { Finding } from '../../api/schemas/doctor.ts'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import type { Found } from '../../runtime/finding.ts'
import { redacted } from '../../runtime/text/redaction.ts'
import type { Check } from './checks.ts'

/** A start of an executor on a busy machine, or a model that thinks before it answers. */
const CHECK_MS = 20_000

/** Never rejects: a part that can't be used is a finding. */
export async function examine({ name, run }: Check, limitMs = CHECK_MS): Promise<Finding> {
  const leaving = new AbortController()
  const late = Promise.withResolvers<Found>()
  const timer = setTimeout(() => {
    leaving.abort()
    late.reject(new Late(`no answer within ${limitMs / 1_000} s`))
  }, limitMs)
  try {
    const running = (async () => run(leaving.signal))()
    return found(name, await Promise.race([running, late.promise]))
  } catch (error) {
    return failed(name, error)
  } finally {
    clearTimeout(timer)
  }
}

class Late extends Error {
  override readonly name = 'Late'
}

const found = (check: string, { result, reason, remedy }: Found): Finding => ({
  check,
  result,
  code: null,
  reason: redacted(reason),
  remedy: remedy === undefined ? null : redacted(remedy),
})

function failed(check: string, error: unknown): Finding {
  const reason = redacted(messageOf(error))
  const isKnown = error instanceof FlotillaError
  const remedy = isKnown ? error.remedy : error instanceof Late ? LATE : null
  return { check, result: 'failed', code: isKnown ? error.code : null, reason, remedy }
}

const LATE = 'See whether it can be reached from this process and how busy both are, then check again.'
