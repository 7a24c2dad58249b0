import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createToolCaller } from './caller.ts'
import { createPeopleCallers } from './people-callers.ts'
import { createToolExecutorStage } from './stage.ts'
import { closeParsing } from './tools/parsing.ts'

export const toolExecutor: Service = {
  name: 'tool-executor',
  stage: createToolExecutorStage,
  callers: ({ fleet, keyValue, logger }) => ({
    callers: { tool: createToolCaller({ fleet, keyValue, log: logger }), ...createPeopleCallers(fleet) },
    close: closeParsing,
  }),
}

if (import.meta.main) await runService(toolExecutor)
