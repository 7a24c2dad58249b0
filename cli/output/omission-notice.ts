// Says at the end of a command which records its output goes without.
import { omissionText } from '../../api/omitted.ts'
import { collectingOmissions, Omissions } from '../../runtime/omitted.ts'
import { paint, say } from './output.ts'

/** Runs a command. Commands end with process.exit: what they omitted is said then, on stderr. */
export function noticingOmissions<T>(work: () => T): T {
  const omissions = new Omissions()
  process.once('exit', () => {
    for (const omission of omissions.list()) say(paint('yellow', omissionText(omission)))
  })
  return collectingOmissions(omissions, work)
}
