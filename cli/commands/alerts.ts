import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { AlertView } from '../../operator/direct/alerts.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { defaultSubcommand } from '../default-subcommand.ts'
import { usingAlerts } from '../alerts.ts'
import { paint, print, printJson } from '../output.ts'

export function defineAlerts(command: Command): void {
  command.description('rules with their state and silences; mute a rule; test its channels')
  defaultSubcommand(command, 'list')
    .description('every rule: whether it fires, and whether it is silenced')
    .option('--json', 'JSON on stdout')
    .action(list)
  command
    .command('silence')
    .description('mute a rule’s channels for a while; the topic and the log still record its alerts')
    .argument('<rule>')
    .option('--for <time>', 'how long: 30m, 2h, 1d', '1h')
    .option('--reason <text>')
    .option('--end', 'end its silence now')
    .action(silence)
  command
    .command('test')
    .description('send a test notification to the channels of a rule, and print what each answered')
    .argument('<rule>')
    .option('--json', 'JSON on stdout')
    .addHelpText('after', '\nExit code: 0 if every channel accepted it, else 1.')
    .action(test)
}

async function list(options: { json?: boolean }): Promise<void> {
  const rules = await usingAlerts((alerts) => alerts.list())
  if (options.json) printJson(rules)
  else rules.forEach(printRule)
  process.exit(0)
}

function printRule({
  rule,
  severity,
  condition,
  channels,
  state,
  message,
  sinceMs,
  silence,
}: AlertView): void {
  const shown = state === 'firing' ? paint('red', 'firing') : paint('green', 'ok    ')
  const { measure, threshold, windowMs, minTasks, pattern } = condition
  const within = measure === 'budgets_near_limit' ? '' : ` in ${windowMs / 1_000} s`
  const least = minTasks > 0 ? `, of at least ${minTasks} tasks` : ''
  const matching = pattern === null ? '' : ` /${pattern}/`
  print(
    `${shown} ${paint('cyan', rule)} (${severity}) ${measure}${matching} > ${threshold}${within}${least} → ${channels.join(', ') || 'no channel'}`,
  )
  if (sinceMs !== null) print(`       since ${time(sinceMs)}: ${message}`)
  if (silence) {
    const why = [silence.by && `by ${silence.by}`, silence.reason].filter(Boolean).join(': ')
    print(paint('yellow', `       silent until ${time(silence.untilMs)}${why ? ` (${why})` : ''}`))
  }
}

const time = (ms: number): string => new Date(ms).toISOString()

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function duration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(text) ?? []
  if (number === undefined || unit === undefined)
    throw new FlotillaError('REQUEST_INVALID', `--for must be a time such as 30m, 2h or 1d, not "${text}"`)
  return Number(number) * (units[unit] ?? 0)
}

async function silence(
  rule: string,
  options: { for: string; reason?: string; end?: boolean },
): Promise<void> {
  const untilMs = options.end ? 0 : Math.round(Date.now() + duration(options.for))
  const more = { by: userInfo().username, ...(options.reason ? { reason: options.reason } : {}) }
  await usingAlerts((alerts) => alerts.silence(rule, { untilMs, ...more }))
  print(options.end ? `the silence of ${rule} ends` : `${rule} is silent until ${time(untilMs)}`)
  process.exit(0)
}

async function test(rule: string, options: { json?: boolean }): Promise<void> {
  const answers = await usingAlerts((alerts) => alerts.test(rule))
  if (options.json) printJson(answers)
  else
    for (const { channel, status, answer } of answers) {
      const mark = status === 'delivered' ? paint('green', 'ok    ') : paint('red', 'FAILED')
      print(`${mark} ${channel.padEnd(12)} ${answer}`)
    }
  process.exit(answers.every(({ status }) => status === 'delivered') ? 0 : 1)
}
