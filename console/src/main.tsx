import { render } from 'preact'
import { begin } from './api/session.ts'
import { watchWaiting } from './inbox/waiting.ts'
import { listenToKeys } from './keys.ts'
import { followLinks } from './router.ts'
import { App } from './shell/app.tsx'
import { applyTheme } from './theme.ts'

applyTheme()
followLinks()
listenToKeys()
void begin()
watchWaiting()
render(<App />, document.getElementById('app') as HTMLElement)
