// `npm test`: the tiers of tests, all of them or those named, with the real servers that they need.
//
//   node test/run.ts                 every tier
//   node test/run.ts unit embedded   these tiers
//   node test/run.ts kafka codec     of this tier, the files whose path contains "codec"
//
// 1. The last line is `N passed, N failed, N skipped` over all tiers; the exit code is 0 only if nothing failed.
// 2. A tier that can't get a server it needs fails; it is never skipped.
// 3. Tests see the addresses of the servers started here, never those (nor the model keys) of the caller's environment.
import { startStack, type ComponentName, type Running } from './infra/stack.ts'
import { failedTier, isAbsent, runTier, tierFiles, tiers, type Tier, type TierOutcome } from './infra/tier.ts'

const asked = process.argv.slice(2)
const filters = asked.filter((word) => !tiers.some((tier) => tier.name === word))
const chosen = tiers.filter((tier) => asked.length === filters.length || asked.includes(tier.name))

const abort = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => abort.abort())

/** Components stay up for the whole run, so that two tiers that need a broker share one. */
const stacks: Running[] = []
const up = new Set<ComponentName>()

async function bringUp(tier: Tier): Promise<void> {
  const lacking = tier.needs.filter((name) => !up.has(name))
  if (lacking.length === 0) return
  const report = (name: ComponentName, ms: number): void => console.log(`  ${name} is up after ${ms} ms`)
  stacks.push(await startStack(lacking, report))
  for (const name of lacking) up.add(name)
}

const callersOwn =
  /^(KAFKA_(BROKERS|CLIENT_ID)|SCHEMA_REGISTRY_URL|REDIS_URL|DATABASE_URL|JAEGER_QUERY_URL|OTEL_.*|FLOTILLA_(?!CACHE$).*|NODE_TEST_CONTEXT|.*_API_KEY|.*_BASE_URL|LOG_LEVEL|PORT|HOST)$/

function environmentFor(tier: Tier): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !callersOwn.test(name),
  )
  const ours = tier.needs.length > 0 ? stacks.map((stack) => stack.environment) : []
  return Object.assign(Object.fromEntries(inherited), ...ours) as Record<string, string>
}

async function runOne(tier: Tier, files: readonly string[]): Promise<TierOutcome> {
  if (files.length === 0) return failedTier(`${tier.name} has no test file`)
  try {
    await bringUp(tier)
  } catch (error) {
    return failedTier(`${tier.name} could not start its servers: ${(error as Error).message}`)
  }
  return runTier(tier, files, { environment: environmentFor(tier), abort: abort.signal })
}

const outcomes: TierOutcome[] = []
const report: string[] = []
for (const tier of chosen) {
  if (abort.signal.aborted) break
  if (isAbsent(tier)) {
    report.push(`${tier.name}: absent (no folder test/${tier.name})`)
    continue
  }
  const files = tierFiles(tier, filters)
  if (filters.length > 0 && files.length === 0) {
    report.push(`${tier.name}: no file whose path contains ${filters.join(' or ')}`)
    continue
  }
  console.log(`\n── ${tier.name}: aim ${tier.aimS} s, limit ${tier.limitS} s`)
  const begun = performance.now()
  const outcome = await runOne(tier, files)
  outcomes.push(outcome)
  report.push(summary(tier, outcome, (performance.now() - begun) / 1000))
}
await Promise.all(stacks.map((stack) => stack.stop()))

function summary(tier: Tier, outcome: TierOutcome, seconds: number): string {
  const late = outcome.seconds > tier.aimS ? `, over its aim of ${tier.aimS} s` : ''
  const counts = `${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped`
  const servers = `${(seconds - outcome.seconds).toFixed(1)} s of it for servers`
  const complaints = outcome.complaints.map((complaint) => `\n  FAILED: ${complaint}`).join('')
  const again = outcome.late.map((test) => `\n  waited too long, and passed alone: ${test}`).join('')
  return `${tier.name}: ${counts} in ${seconds.toFixed(1)} s (${servers}${late})${again}${complaints}`
}

const total = (count: (outcome: TierOutcome) => number): number =>
  outcomes.reduce((sum, one) => sum + count(one), 0)
const failed = total((one) => one.failed)
const complaints = total((one) => one.complaints.length)
console.log(`\n${report.join('\n')}`)
if (abort.signal.aborted) console.log('interrupted')
console.log(`${total((one) => one.passed)} passed, ${failed} failed, ${total((one) => one.skipped)} skipped`)
process.exit(failed + complaints > 0 || outcomes.length === 0 || abort.signal.aborted ? 1 : 0)
