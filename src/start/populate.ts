import { resolve } from 'node:path'
import { Apps } from '../cli/dev/apps.ts'
import { Session, type Credentials } from '../cli/dev/session.ts'

const sample = resolve(import.meta.dirname, '../../examples/hello')

interface Population {
  organization: string
  space: string
  /** Push the sample app `hello`. */
  sample: boolean
}

/** Makes the organization and the space in which a person begins, and the sample app, where they are missing. */
export async function populate(credentials: Credentials, { organization, space, sample: wanted }: Population): Promise<void> {
  const cc = await new Session(credentials).signIn()
  try {
    const org = (await cc.find(`/v3/organizations?names=${organization}`)) ?? (await cc.post('/v3/organizations', { name: organization }))
    const home =
      (await cc.find(`/v3/spaces?names=${space}&organization_guids=${org.guid}`)) ??
      (await cc.post('/v3/spaces', { name: space, relationships: { organization: { data: { guid: org.guid } } } }))
    const apps = new Apps(cc, home.guid)
    if (!wanted || (await apps.list()).some(({ name }) => name === 'hello')) return
    await apps.push({ name: 'hello', path: sample }, () => {})
  } finally {
    await cc.close()
  }
}
