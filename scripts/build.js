// npm run build [-- FILE]: makes meshctl one JavaScript file, dist/meshctl.js, for any Node >= 20 and without node_modules.
import { chmodSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { root, setUp } from './setup.js'

setUp()
const { build } = await import('esbuild')
const outfile = resolve(process.argv[2] ?? join(root, 'dist/meshctl.js'))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

await build({
  entryPoints: [join(root, 'src/cli/main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  legalComments: 'inline',
  // The shebang, and what CommonJS packages expect to be there.
  banner: {
    js: "#!/usr/bin/env node\nimport { createRequire as __createRequire } from 'node:module'\nconst require = __createRequire(import.meta.url)",
  },
  plugins: [
    {
      name: 'version',
      // In the checkout it is read from package.json, which the file does not have beside it.
      setup: (build) =>
        build.onLoad({ filter: /src\/common\/version\.ts$/ }, () => ({ contents: `export const version = ${JSON.stringify(version)}` })),
    },
  ],
})
chmodSync(outfile, 0o755)
console.log(`${outfile}: meshctl ${version}`)
