import { resolve } from 'node:path'
import { Apps } from '../cli/dev/apps.ts'
import { Session, type Credentials } from '../cli/dev/session.ts'

const sample = resolve(import.meta.dirname, '../../examples/hello')

/** Pushes the sample app `hello` into `space`, unless it is there already. */
export async function pushSample(credentials: Credentials, spaceName: string): Promise<void> {
  const cc = await new Session(credentials).signIn()
  try {
    const space = await cc.find(`/v3/spaces?names=${spaceName}`)
    if (!space) throw new Error(`there is no space ${spaceName}`)
    const apps = new Apps(cc, space.guid)
    if ((await apps.list()).some(({ name }) => name === 'hello')) return
    await apps.push({ name: 'hello', path: sample }, () => {})
  } finally {
    await cc.close()
  }
}
