// The thread of parsing.ts.
import { serveJobs } from '../../../runtime/worker/thread.ts'
import { jsonValue, queryRows } from './data/queries.ts'
import { pageText } from './web/page-text.ts'
import type { PageToParse } from './parsing.ts'

serveJobs({
  page: ({ html, maxChars }: PageToParse) => pageText(html, maxChars),
  rows: queryRows,
  value: jsonValue,
})
