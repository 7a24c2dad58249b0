// The thread of checks.ts.
import { serveJobs } from '../worker/thread.ts'
import { createSchemaJobs } from './jobs.ts'

serveJobs(createSchemaJobs())
