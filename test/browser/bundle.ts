/** Puts one file and all that it imports into a script for browsers; fails when anything of it needs Node. */
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Bundle {
  readonly code: string
  /** Files that went in, relative to the repository. */
  readonly inputs: readonly string[]
}

/** Rejects with esbuild's error, which names the file and the import, when a `node:` module is reached. */
export const bundleForBrowser = async (contents: string): Promise<Bundle> => {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    absWorkingDir: root,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2024',
    sourcemap: 'inline',
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  return { code: outputFiles[0]?.text ?? '', inputs: Object.keys(metafile.inputs) }
}
