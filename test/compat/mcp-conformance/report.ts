// The report of the conformance suite as a page.
import { expected, type Expected, type Reason } from './expected.ts'
import { notPassed, passed } from './client.ts'
import { SUITE, type Outcome, type Scenario } from './suite.ts'

export const REPORT = 'docs/reports/mcp-conformance.md'

const head = `# Conformance with the Model Context Protocol

What the protocol's own suite says of a fleet: \`${SUITE}\`, every scenario that a
revision requires, and those beside them. Its server is a fleet whose agents stand for the tools that the suite asks
for, as far as an agent can be one (\`test/compat/mcp-conformance/fixture.ts\`). CI runs it
(\`npm run test:compat -- mcp-conformance\`), and fails as soon as a scenario fails that is not listed here, or one that is
listed passes.

The suite wants one server that has everything which the protocol knows. A fleet declares tools and Tasks; it has no
resources, prompts, completions, logging, sampling, images or sounds. Scenarios about those are listed apart.

This page is written by \`npx node test/compat/mcp-conformance/main.ts\`.
`

export const reportOf = (outcomes: readonly Outcome[]): string =>
  `${[head, ...outcomes.map(section), clientSection()].join('\n')}`

interface Row {
  readonly name: string
  readonly reason: Reason
}

function section({ role, revision, scenarios }: Outcome): string {
  const reasons = expected[role][revision] ?? {}
  const passed = scenarios.filter(({ failed, isSkipped }) => failed.length === 0 && !isSkipped)
  const skipped = scenarios.filter(({ isSkipped }) => isSkipped)
  const rows = scenarios
    .filter(({ failed }) => failed.length > 0)
    .map((scenario) => ({ name: scenario.name, reason: reasonOf(scenario, reasons) }))
  const [optional = [], others = []] = [true, false].map((is) =>
    rows.filter(({ reason }) => reason.isOptional === is),
  )
  return [
    `## As a ${role}, revision ${revision}`,
    '',
    `${passed.length} of the ${passed.length + others.length} scenarios about what it declares pass; ${optional.length} others are about what it does not.`,
    '',
    ...passed.map(({ name }) => `- \`${name}\``),
    '',
    ...(skipped.length === 0
      ? []
      : [`Skipped by the suite itself: ${skipped.map(({ name }) => `\`${name}\``).join(', ')}.`, '']),
    ...table('differs', others),
    ...table('about what it does not declare', optional),
  ].join('\n')
}

/** The tests run each scenario that is listed as passed. */
const clientSection = (): string =>
  [
    '## As a client',
    '',
    `The tools of a server, pinned and called as a fleet does it (\`test/compat/mcp-client.ts\`): these ${passed.length} scenarios pass.`,
    '',
    ...passed.map(({ name, revision }) => `- \`${name}\`, ${revision ?? 'an extension'}`),
    '',
    '| does not pass, or is not run | why |',
    '| --- | --- |',
    ...notPassed.map(({ names, why }) => `| ${names} | ${why} |`),
    '',
  ].join('\n')

function table(title: string, rows: readonly Row[]): string[] {
  if (rows.length === 0) return []
  const lines = rows.map(({ name, reason }) => `| \`${name}\` | ${reason.why} |`)
  return [`| ${title} | why |`, '| --- | --- |', ...lines, '']
}

const unexplained: Reason = { why: 'Not explained.', isOptional: false }

/** That of the scenario, or of the first of its checks that fails. */
function reasonOf({ name, failed }: Scenario, reasons: Expected): Reason {
  const found = [name, ...failed.map((id) => `${name}:${id}`)].flatMap((key) => reasons[key] ?? [])
  return found.find(({ isOptional }) => !isOptional) ?? found[0] ?? unexplained
}
