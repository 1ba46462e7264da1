import { Session } from '../cli/dev/session.ts'
import { loadConfig } from '../common/config.ts'
import { messageOf } from '../common/problem.ts'
import { SmokeTestsConfig } from './config.ts'
import { SmokeTest } from './smoke.ts'

const config = loadConfig('smoke-tests', SmokeTestsConfig)
const { cloudController, uaa } = config
const say = (step: string): void => void process.stdout.write(`${new Date().toISOString()} ${step}\n`)
const cc = new Session({
  api: cloudController.url,
  ca: cloudController.ca,
  uaa: uaa.url,
  user: uaa.clientId,
  password: uaa.clientSecret,
  client: true,
})

try {
  await cc.signIn()
  await new SmokeTest(cc, config, say).run()
  say('passed')
} catch (error) {
  say(`failed: ${messageOf(error)}`)
  process.exitCode = 1
} finally {
  await cc.close()
}
