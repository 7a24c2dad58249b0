import { http } from './http.ts'
import { escapeTests } from './suite/escapes.ts'

// The server runs on this machine with nothing around it: what holds here is sandbox_jail.py alone.
await escapeTests(http)
