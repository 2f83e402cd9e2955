import { ActionIcon, CopyButton, Tooltip } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'react-router'
import { useWords } from '@/i18n'
import { Icon } from './Icon.tsx'
import { words } from './words.ts'

/** numberOf returns the number at the end of an xid, which names it among all of the cluster. */
export function numberOf(xid: string): string {
  return xid.slice(xid.lastIndexOf(':') + 1)
}

/** Xid shows the id of a transaction as a link to it, and copies the whole. */
export function Xid({ xid, to, plain }: { xid: string; to?: string; plain?: boolean }) {
  const id = numberOf(xid)
  return (
    <span className="mono clip">
      {plain ? id : <Link to={to ?? `/transactions/${id}`}>{id}</Link>} <Copy text={xid} />
    </span>
  )
}

/** Copy puts a text into the clipboard. */
export function Copy({ text }: { text: string }) {
  const t = useWords(words)
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t('copied') : t('copy')}>
          <ActionIcon
            size="xs"
            variant="transparent"
            color="gray"
            className="copy"
            aria-label={`${copied ? t('copied') : t('copy')} ${text}`}
            onClick={(event) => {
              event.stopPropagation()
              copy()
            }}
          >
            <Icon path={copied ? 'M3 8l3 3 7-7' : 'M6 6h7v7H6zM4 10H3V3h7v1'} size={12} />
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  )
}

/** RowXid is [Xid] for cells of long tables: it costs little. */
export function RowXid({ xid, to, whole }: { xid: string; to?: string; whole?: boolean }) {
  const t = useWords(words)
  const id = numberOf(xid)
  const [copied, setCopied] = useState(false)
  return (
    <span className="mono clip">
      {whole ? xid : <Link to={to ?? `/transactions/${id}`}>{id}</Link>}{' '}
      <button
        type="button"
        className="copy-plain"
        title={copied ? t('copied') : t('copy')}
        aria-label={`${copied ? t('copied') : t('copy')} ${xid}`}
        tabIndex={-1}
        onClick={() => void navigator.clipboard?.writeText(xid).then(() => setCopied(true))}
        onBlur={() => setCopied(false)}
      >
        <Icon path={copied ? 'M3 8l3 3 7-7' : 'M6 6h7v7H6zM4 10H3V3h7v1'} size={12} />
      </button>
    </span>
  )
}
