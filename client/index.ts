/// <reference types="node" preserve="true" />
// The package's exports for programs: `import { connect, defineFleet, defineTool } from 'flotilla'`.
export { connect, type ConnectOptions } from './connect.ts'
export { HttpClient, type HttpClientOptions } from './http/client.ts'
export { defineFleet, defineTool } from '../runtime/config/define.ts'
export { FlotillaError, errorTable, type ErrorCode } from '../runtime/errors.ts'
export type * from './types.ts'
export type { ApprovalDefinition, Approvers, DecisionTerms, Reconciled } from '../runtime/config/approvals.ts'
export type {
  AgentDefinition,
  FleetDefinition,
  Profile,
  Tool,
  ToolContext,
  ToolDefinition,
} from '../runtime/config/fleet.ts'
