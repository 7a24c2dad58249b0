import { render } from 'preact'
import { watchRelease } from './api/release.ts'
import { begin } from './api/session.ts'
import { startClock } from './clock.ts'
import { watchWaiting } from './inbox/waiting.ts'
import { listenToKeys } from './keys.ts'
import { watchPrinting } from './print.ts'
import { followLinks } from './router.ts'
import { App } from './shell/app.tsx'
import { applyTheme } from './theme.ts'

applyTheme()
followLinks()
listenToKeys()
startClock(document)
void begin()
watchWaiting()
watchRelease()
watchPrinting()
render(<App />, document.getElementById('app') as HTMLElement)
