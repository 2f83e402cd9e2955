import { useSearchParams } from 'react-router'
import { useWords } from '@/i18n'
import { Page } from '@/shared/Page.tsx'
import { chosenOf, Sections } from '@/shared/Sections.tsx'
import { Graph } from './Graph.tsx'
import { Held } from './Held.tsx'
import { Hottest } from './Hottest.tsx'
import { words } from './words.ts'

const tabs = ['held', 'graph', 'hottest'] as const

/** Locks shows rows that are held, who waits for whom, and what is fought over. */
export default function Locks() {
  const t = useWords(words)
  const [query] = useSearchParams()
  const wanted = query.get('tab')
  const tab = chosenOf(query, tabs, 'held')
  return (
    <Page title={t('title')} text={t('intro')}>
      {wanted !== null && wanted !== tab && <p role="status">{t('noTab', { tab: wanted })}</p>}
      <Sections
        label={t('sections')}
        first="held"
        address={(chosen): Record<string, string> => (chosen === 'held' ? {} : { tab: chosen })}
        sections={[
          { id: 'held', name: t('held'), show: <Held /> },
          { id: 'graph', name: t('graph'), show: <Graph /> },
          { id: 'hottest', name: t('hottest'), show: <Hottest /> },
        ]}
      />
    </Page>
  )
}
