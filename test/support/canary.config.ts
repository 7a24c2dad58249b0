// The fleet of the canary test: tools whose endpoint repeats what it is sent, and channels that refuse.
import { defineFleet, defineTool } from '../../runtime/config/define.ts'
import { httpTool } from '../../services/tool-executor/tools/index.ts'

const echo = process.env['ECHO_URL'] ?? 'http://127.0.0.1:9'
const withUser = echo.replace('//', '//svc:canary-userinfo-1@')
const endpoint = (name: string, url: string) =>
  httpTool({
    name,
    description: `Asks ${name}.`,
    input: { type: 'object', properties: {} },
    url,
    method: 'GET',
    retries: 0,
    headers: () => ({ authorization: 'Bearer canary-bearer-1', 'x-api-key': 'canary-header-1' }),
  })

export default defineFleet({
  tools: [
    ...['200', '404', '500', '302', 'cut'].map((status) =>
      endpoint(`answers_${status}`, `${withUser}/${status}?api_key=canary-query-1`),
    ),
    endpoint('is_nowhere', 'http://svc:canary-userinfo-1@canary.invalid/x?token=canary-query-1'),
    defineTool({
      name: 'throws',
      description: 'Throws what it knows.',
      input: { type: 'object' },
      run: () => {
        throw new Error(
          `could not use ${process.env['OPENAI_API_KEY']} with ${process.env['MY_SERVICE_TOKEN']}`,
        )
      },
    }),
  ],
  agents: { default: { mode: 'tools' } },
  alerts: {
    channels: {
      slack: { type: 'slack' },
      hook: { type: 'webhook', url: `${withUser}/500?key=canary-query-1` },
      email: { type: 'email', from: 'a@b.test', to: ['c@d.test'] },
    },
    rules: { high_error_rate: { channels: ['slack', 'hook', 'email'] } },
    tries: 1,
  },
})
