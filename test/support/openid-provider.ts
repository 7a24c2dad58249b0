// A real OpenID provider on loopback (oidc-provider), with its own pages for signing in. Anybody is a user there.
import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'
import { freePort } from '../infra/port.ts'

export interface OpenIdProvider extends Disposable {
  readonly issuer: string
}

export async function startOpenIdProvider(clientId: string, redirectUri: string): Promise<OpenIdProvider> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        redirect_uris: [redirectUri],
      },
    ],
    pkce: { required: () => true },
  })
  const server = createServer(provider.callback())
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  const close = (): void => (server.closeAllConnections(), void server.close())
  return { issuer, [Symbol.dispose]: close }
}
