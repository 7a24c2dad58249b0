// Runs the conformance suite and writes its report.
import { writeFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { startFixtureFleet } from './fixture.ts'
import { REPORT, reportOf } from './report.ts'
import { runSuite } from './suite.ts'

await using fleet = await startFixtureFleet()
const url = `${fleet.process.url}/mcp`
const outcomes = [await runSuite({ url }, '2026-07-28'), await runSuite({ url }, '2025-11-25')]
for (const { output } of outcomes) console.log(output.slice(output.indexOf('=== SUMMARY')))
const path = join(import.meta.dirname, '../../..', REPORT)
mkdirSync(dirname(path), { recursive: true })
writeFileSync(path, reportOf(outcomes))
