import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { AlertView } from '../../operator/direct/alerts.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import { duration } from '../program/arguments.ts'
import { usingAlerts } from '../actions/alerts.ts'
import { paint, print, printJson } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { elapsed, moment, plural } from '../output/units.ts'

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
    .option('--for <time>', 'how long: 30m, 2h, 1d (default: 1h)', duration)
    .option('--reason <text>', 'why, for the others')
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
  else printRules(rules)
  process.exit(0)
}

const columns: readonly Column[] = [
  { name: 'state' },
  { name: 'rule', keep: true },
  { name: 'severity', optional: true },
  { name: 'condition' },
  { name: 'channels' },
]

function printRules(rules: readonly AlertView[]): void {
  printTable(columns, rules.map(cellsOf), (index) => (rules[index]?.state === 'firing' ? 'red' : null))
  for (const { rule, sinceMs, message, silence } of rules) {
    if (sinceMs !== null) print(`${rule} fires since ${moment(sinceMs)}: ${message}`)
    if (!silence) continue
    const why = [silence.by && `by ${silence.by}`, silence.reason].filter(Boolean).join(': ')
    print(paint('yellow', `${rule} is silent until ${moment(silence.untilMs)}${why ? ` (${why})` : ''}`))
  }
  if (rules.some(({ missingChannels = [] }) => missingChannels.length > 0))
    print(paint('yellow', '* This channel is not configured: add it under alerts.channels.'))
}

function cellsOf({ rule, severity, condition, channels, missingChannels = [], state }: AlertView): string[] {
  const { measure, threshold, windowMs, minTasks, pattern } = condition
  const within = measure === 'budgets_near_limit' ? '' : ` in ${elapsed(windowMs)}`
  const least = minTasks > 0 ? `, ${plural(minTasks, 'task')} or more` : ''
  const matching = pattern === null ? '' : ` /${pattern}/`
  const marked = channels.map((channel) => (missingChannels.includes(channel) ? `${channel}*` : channel))
  return [
    state,
    rule,
    severity,
    `${measure}${matching} > ${threshold}${within}${least}`,
    marked.join(', ') || 'none',
  ]
}

const HOUR_MS = 3_600_000

async function silence(
  rule: string,
  options: { for?: number; reason?: string; end?: boolean },
): Promise<void> {
  const untilMs = options.end ? 0 : Date.now() + (options.for ?? HOUR_MS)
  const more = { by: userInfo().username, ...(options.reason ? { reason: options.reason } : {}) }
  await usingAlerts((alerts) => alerts.silence(rule, { untilMs, ...more }))
  print(options.end ? `the silence of ${rule} ends` : `${rule} is silent until ${moment(untilMs)}`)
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
