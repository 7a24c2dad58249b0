import { once } from '../../runtime/once.ts'
import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createToolCaller } from './caller.ts'
import { createPeopleCallers } from './people-callers.ts'
import { serverSlots } from './server-slots.ts'
import { createToolExecutorStage } from './stage.ts'
import { closeParsing } from './tools/parsing.ts'

export const toolExecutor: Service = {
  name: 'tool-executor',
  stage: createToolExecutorStage,
  callers: ({ fleet, keyValue, logger, instruments, environment: { raw: variables } }) => {
    let close = async () => {}
    const servers = once(async () => {
      const { connectServers } = await import('./tools/mcp/connect.ts')
      const connected = connectServers(fleet, { variables, keyValue, instruments })
      close = connected.close
      return connected
    })
    return {
      callers: {
        tool: createToolCaller({ fleet, keyValue, log: logger, servers }),
        ...createPeopleCallers(fleet),
      },
      slots: serverSlots(fleet),
      close: async () => void (await Promise.all([closeParsing(), close()])),
    }
  },
}

if (import.meta.main) await runService(toolExecutor)
