// Schema checks in the same thread, for tests whose schemas are harmless and whose time is virtual.
import type { SchemaChecks } from '../foreign-schema/checks.ts'
import { createSchemaJobs } from '../foreign-schema/jobs.ts'

export function directSchemaChecks(): SchemaChecks {
  const jobs = createSchemaJobs()
  return {
    async refusal({ schema, isOwn = false }) {
      try {
        return jobs.compile({ schemaText: JSON.stringify(schema), isOwn })
      } catch (error) {
        return (error as Error).message
      }
    },
    check: async ({ schema, isOwn = false }, candidates) =>
      jobs.check({ schemaText: JSON.stringify(schema), isOwn, candidates }),
    close: async () => {},
  }
}
