import { http } from './http.ts'
import { limitTests } from './suite/limits.ts'

limitTests(http)
