import { Button, CopyButton } from '@mantine/core'
import { useMemo, useState } from 'react'
import { defineWords, useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { piecesOf, prettyOf } from './json.ts'
import classes from './JsonView.module.css'

const words = defineWords(
  {
    copy: 'Copy',
    copied: 'Copied',
    download: 'Download',
    all: 'Show all {n} lines',
    masked: 'hidden by a rule',
  },
  { copy: '复制', copied: '已复制', download: '下载', all: '显示全部 {n} 行', masked: '已被规则隐藏' },
)

const linesShown = 400

/** JsonView shows a value, or a text that is JSON, for reading, copying and downloading. */
export function JsonView({
  value,
  label,
  file,
  maxHeight = 420,
}: {
  value: unknown
  label: string
  /** The name under which it is downloaded; without it, it is not. */
  file?: string
  maxHeight?: number
}) {
  const t = useWords(words)
  const [all, setAll] = useState(false)
  const text = useMemo(() => prettyOf(value), [value])
  const lines = useMemo(() => text.split('\n').length, [text])
  const cut = !all && lines > linesShown
  const pieces = useMemo(
    () => piecesOf(cut ? text.split('\n').slice(0, linesShown).join('\n') : text),
    [text, cut],
  )
  return (
    <div className={classes['frame']}>
      <div className={classes['tools']}>
        {file && (
          <Button size="compact-xs" variant="default" onClick={() => download(file, text)}>
            {t('download')}
          </Button>
        )}
        <CopyButton value={text}>
          {({ copied, copy }) => (
            <Button size="compact-xs" variant="default" onClick={copy}>
              {t(copied ? 'copied' : 'copy')}
            </Button>
          )}
        </CopyButton>
      </div>
      <pre className={classes['text']} style={{ maxHeight }} role="region" tabIndex={0} aria-label={label}>
        {pieces.map((piece, i) =>
          piece.kind === 'plain' ? (
            piece.text
          ) : (
            <span
              key={i}
              className={classes[piece.kind]}
              title={piece.kind === 'masked' ? t('masked') : undefined}
            >
              {piece.text}
            </span>
          ),
        )}
      </pre>
      {cut && (
        <Button size="compact-xs" variant="subtle" mt={6} onClick={() => setAll(true)}>
          {t('all', { n: count(lines) })}
        </Button>
      )}
    </div>
  )
}

/** download gives a text to the person as a file. */
export function download(file: string, text: string, type = 'application/json'): void {
  const url = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = file
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
