/** The import table of the architecture, as rules: who may import whom, and where Node and native packages may be named. */
'use strict'

const storeInterfaces = 'store/(?!sqlite-)'

/** Folder of `src` → what it may import besides itself. */
const may = {
  protocol: [],
  ports: ['protocol/'],
  crypto: ['protocol/', 'ports/'],
  domain: ['protocol/'],
  machines: ['protocol/', 'domain/'],
  store: ['protocol/', 'domain/', 'ports/'],
  actors: ['protocol/', 'domain/', 'machines/', storeInterfaces, 'ports/'],
  server: ['protocol/', 'ports/', 'crypto/', 'domain/', 'machines/', 'store/', 'actors/'],
  client: ['protocol/', 'ports/', 'crypto/', 'domain/', 'machines/', 'actors/', storeInterfaces],
  simulation: ['(?!cli/)'],
  testing: ['(?!cli/)'],
  cli: [''],
}

/** Files that may touch the machine: they say so by their names. */
const adapters = '^src/(ports/node|cli)/|^src/store/sqlite-|/node-[a-z-]+[.]ts$'

/** Package → the only files that may import it. */
const owners = {
  'better-sqlite3': '^src/store/sqlite-',
  ws: '^src/ports/node/',
  'prom-client': '^src/ports/node/',
  commander: '^src/cli/',
  '@clack/prompts': '^src/cli/',
  'cli-progress': '^src/cli/',
}

module.exports = {
  forbidden: [
    ...Object.entries(may).map(([folder, allowed]) => ({
      name: `${folder} imports what it may`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: [folder + '/', ...allowed].map(path => `^src/${path}`) },
    })),
    {
      name: 'every folder has its row',
      comment: 'a new folder of src needs a row in the table above',
      severity: 'error',
      from: { path: '^src/', pathNot: Object.keys(may).map(folder => `^src/${folder}/`) },
      to: {},
    },
    {
      name: 'no cycles',
      comment: 'types may refer to each other; they are gone when the program runs',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'everything resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'node:* only in adapters',
      severity: 'error',
      from: { path: '^src/', pathNot: adapters },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'the client reaches no Node',
      comment: 'the client library runs in browsers too; only what is named after Node may know it',
      severity: 'error',
      from: { path: '^src/(client|protocol|domain|machines|actors)/', pathNot: '/node-[a-z-]+[.]ts$' },
      to: { path: adapters, reachable: true },
    },
    ...Object.entries(owners).map(([name, path]) => ({
      name: `${name} has one owner`,
      severity: 'error',
      from: { path: '^src/', pathNot: path },
      to: { path: `^node_modules/(@types/)?${name}/` },
    })),
    {
      name: 'no development packages in the program',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only', 'npm'] },
    },
  ],
  options: {
    doNotFollow: { path: '^node_modules/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.d.ts'],
    },
  },
}
