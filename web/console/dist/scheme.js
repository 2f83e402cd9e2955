// The colour scheme and the language before the first paint; a file of its own, since scripts in the page are forbidden.
(function () {
  var page = document.documentElement;
  try {
    var scheme = localStorage.getItem('concord-scheme') || 'auto';
    if (scheme === 'auto') scheme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    page.setAttribute('data-mantine-color-scheme', scheme);
    var language = localStorage.getItem('concord-language') || navigator.language;
    page.lang = language.indexOf('zh') === 0 ? 'zh' : 'en';
  } catch (_) {
    page.setAttribute('data-mantine-color-scheme', 'light');
  }
})();
