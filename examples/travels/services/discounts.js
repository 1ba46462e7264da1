// What users pay less, in percent.
import { serve, version } from './mesh.js'

const percents = { registered: 10, new: 0 }

serve(({ path }) => {
  const [, user] = /^\/discounts\/(\w+)$/.exec(path) ?? []
  return user && { user, version, percent: percents[user] ?? 0 }
})
