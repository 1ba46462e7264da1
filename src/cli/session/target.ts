import type { Command } from 'commander'
import { Api } from '../api.ts'
import { NoSpace } from '../problems.ts'
import { findReady, readReady, type Ready } from '../ready.ts'
import { readCfConfig } from './cf-config.ts'
import { readLogin, type Login } from './login-file.ts'
import { given, ofCf, ofLogin, ofStarted, type TokenContext, type Tokens } from './tokens.ts'

interface Named {
  url: string
  ca?: string | undefined
  login?: Login | undefined
  started?: Ready | undefined
}

/**
 * copilot, as the options and the environment name it: `--api`, MESH_API, the copilot of `meshctl login`, the running `npm start`. Its
 * token is MESH_TOKEN, else that of `meshctl login`, else that of `npm start`'s administrator, else the cf CLI's.
 */
export function apiOf(command: Command, { environment }: { environment: NodeJS.ProcessEnv }): Api {
  const { url, ca, login, started } = find(command, environment)
  const api: Api = new Api({ url, ca, tokens: (context) => tokens(context, { login, started }, environment) })
  return api
}

function find(command: Command, environment: NodeJS.ProcessEnv): Named {
  const options = command.optsWithGlobals<{ api?: string; apiCa?: string }>()
  const ca = options.apiCa ?? environment['MESH_CA']
  // A variable that is empty is not set.
  const url = (options.api ?? (environment['MESH_API'] || undefined))?.replace(/\/+$/, '')
  const login = readLogin(environment)
  const started = findReady(environment)
  if (url !== undefined)
    return {
      url,
      ca: ca ?? (login?.api === url ? login.ca : undefined),
      login: login?.api === url ? login : undefined,
      started: started?.urls.copilot === url ? started : undefined,
    }
  if (login && !environment['MESH_DATA']) return { url: login.api, ca: ca ?? login.ca, login }
  return { url: readReady(environment).urls.copilot, ca, started }
}

function tokens(context: TokenContext, { login, started }: Pick<Named, 'login' | 'started'>, environment: NodeJS.ProcessEnv): Tokens {
  const token = environment['MESH_TOKEN']
  if (token) return given(token)
  if (login) return ofLogin(login, environment, context)
  if (started) return ofStarted(started, context)
  return ofCf(readCfConfig(environment), context)
}

/**
 * The space that a command is meant for, where it names none: MESH_NAMESPACE, that of `cf target`, that of the running `npm start`. Throws
 * `MESHCTL_NO_SPACE`.
 */
export function targetedSpace(command: Command, environment: NodeJS.ProcessEnv): string {
  const named = environment['MESH_NAMESPACE']
  if (named) return named
  const { Target: target, SpaceFields: space } = readCfConfig(environment)
  const { started } = find(command, environment)
  // The cf CLI may target another Cloud Foundry than the one that `npm start` runs.
  const same = !started || [started.urls.cloudController, started.urls.cloudControllerTls].includes(target ?? '')
  if (space?.GUID && same) return space.GUID
  const ready = started ?? findReady(environment)
  if (!ready) throw NoSpace()
  return ready.space
}
