import { useWords } from '@/i18n'
import { Page } from '@/shared/Page.tsx'
import { Sections } from '@/shared/Sections.tsx'
import { Halves } from './Halves.tsx'
import { Log } from './Log.tsx'
import { words } from './words.ts'

/** Decisions shows what was decided as it was published, and what is on its way. */
export default function Decisions() {
  const t = useWords(words)
  return (
    <Page title={t('title')} text={t('intro')}>
      <Sections
        label={t('sections')}
        first="log"
        address={(tab): Record<string, string> => (tab === 'halves' ? { tab } : {})}
        sections={[
          { id: 'log', name: t('log'), show: <Log /> },
          { id: 'halves', name: t('halves'), show: <Halves /> },
        ]}
      />
    </Page>
  )
}
