// Says above a page which records it goes without.
import { useEffect } from 'preact/hooks'
import { omissionText } from '../../../api/omitted.ts'
import { forgetOmitted, omittedNow } from '../api/omitted.ts'
import { Badge } from '../components/badge.tsx'
import { line } from '../text.ts'

export function Omitted({ path }: { readonly path: string }) {
  // Before the page asks: effects of what is below run first, so its answers come later than this.
  useEffect(() => forgetOmitted, [path])
  const omissions = omittedNow()
  if (omissions.length === 0) return null
  return (
    <div class="notice" role="status">
      <Badge tone="wait">Incomplete</Badge>
      {omissions.map((omission) => (
        <p key={omission.topic}>{line(omissionText(omission), 300)}</p>
      ))}
    </div>
  )
}
