import type { Dispatcher } from 'undici'
import type { Ready } from '../ready.ts'
import type { CfConfig } from './cf-config.ts'
import { writeLogin, type Login } from './login-file.ts'
import { askUaa, lasts } from './uaa.ts'

/** What the API is shown. */
export interface Tokens {
  /** A token; undefined where there is none to be had. `refused`: the one before it, which the API did not take. */
  token(refused?: string): Promise<string | undefined>
}

/** Where tokens come from: copilot says where to log in; undefined where it asks for none. */
export interface TokenContext {
  uaa: () => Promise<string | undefined>
  dispatcher: Dispatcher
}

/** One that was given, as it is. */
export const given = (token: string): Tokens => ({
  token: async (refused) => (refused === undefined ? token.replace(/^bearer +/i, '') : undefined),
})

/** Those of `meshctl login`, renewed and kept when they expire. */
export function ofLogin(login: Login, environment: NodeJS.ProcessEnv, { dispatcher }: TokenContext): Tokens {
  return {
    async token(refused) {
      if (login.accessToken !== refused && lasts(login.accessToken)) return login.accessToken
      if (!login.refreshToken) return undefined
      Object.assign(
        login,
        await askUaa(
          login.uaa,
          { grant_type: 'refresh_token', refresh_token: login.refreshToken },
          { dispatcher, remedy: 'Log in again with `meshctl login`' },
        ),
      )
      writeLogin(environment, login)
      return login.accessToken
    },
  }
}

/** Those of the administrator of the running `npm start`. */
export function ofStarted({ credentials }: Pick<Ready, 'credentials'>, { uaa, dispatcher }: TokenContext): Tokens {
  let current: string | undefined
  return {
    async token(refused) {
      if (current !== undefined && current !== refused && lasts(current)) return current
      const where = await uaa()
      if (where === undefined) return undefined
      current = (
        await askUaa(
          where,
          { grant_type: 'password', username: credentials.user, password: credentials.password },
          { dispatcher, remedy: 'Its ready.json has another password than UAA; start it again' },
        )
      ).accessToken
      return current
    },
  }
}

/** Those of the cf CLI, for the copilot of the same Cloud Foundry: one that sends people to another UAA is shown none. */
export function ofCf(config: CfConfig, { uaa, dispatcher }: TokenContext): Tokens {
  let current = config.AccessToken?.replace(/^bearer +/i, '')
  return {
    async token(refused) {
      if (!current || !config.UaaEndpoint || (await uaa()) !== config.UaaEndpoint.replace(/\/+$/, '')) return undefined
      if (current !== refused && lasts(current)) return current
      if (!config.RefreshToken) return undefined
      const client = { id: config.UAAOAuthClient || 'cf', secret: config.UAAOAuthClientSecret ?? '' }
      current = (
        await askUaa(
          config.UaaEndpoint,
          { grant_type: 'refresh_token', refresh_token: config.RefreshToken },
          { client, dispatcher, remedy: 'Log in again with `cf login`, or with `meshctl login`' },
        )
      ).accessToken
      return current
    },
  }
}
