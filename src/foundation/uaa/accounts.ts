import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Account } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

const derive = promisify<string, Buffer, number, Buffer>(scrypt)

/** Groups that every account is in. */
export const everyone = [
  'openid',
  'uaa.user',
  'cloud_controller.read',
  'cloud_controller.write',
  'cloud_controller.user',
  'password.write',
  'scim.me',
  'profile',
  'roles',
  'approvals.me',
  'oauth.approvals',
]

/** Groups of the administrator. */
const administrators = [
  ...everyone,
  'cloud_controller.admin',
  'scim.read',
  'scim.write',
  'uaa.admin',
  'clients.read',
  'clients.write',
  'doppler.firehose',
  'network.admin',
  'routing.router_groups.read',
]

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  return `scrypt$${salt.toString('base64')}$${(await derive(password, salt, 32)).toString('base64')}`
}

export async function passwordMatches(password: string, hash: string): Promise<boolean> {
  const [, salt = '', expected = ''] = hash.split('$')
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64'), 32), Buffer.from(expected, 'base64'))
}

/** The account of that name, if the password is its own. */
export async function authenticate(store: Store, userName: string, password: string): Promise<Account | undefined> {
  const account = store.accounts.first('userName', userName.toLowerCase())
  return account?.active && (await passwordMatches(password, account.password)) ? account : undefined
}

/** Makes sure that the administrator exists with this password. */
export async function ensureAdmin(store: Store, userName: string, password: string): Promise<void> {
  const existing = store.accounts.first('userName', userName.toLowerCase())
  if (existing && (await passwordMatches(password, existing.password)) && existing.groups.includes('cloud_controller.admin')) return
  const hash = await hashPassword(password)
  store.transaction(() => {
    if (existing) store.accounts.update(existing.guid, { password: hash, groups: administrators, active: true })
    else
      store.accounts.insert({
        userName,
        password: hash,
        email: userName,
        givenName: '',
        familyName: '',
        origin: 'uaa',
        groups: administrators,
        active: true,
        externalId: null,
      })
  })
}
